"""The rooms of common/: what may import what, and how large a room may be."""

import ast
import re

import pytest
from conftest import HOME, SCRIPTS

# In this order; a module imports from rooms before its own, and from its own.
ROOMS = ["errors", "scripts", "console", "lifeline", "storage", "machine", "options", "nn", "data", "pictures", "runs"]
ROOMS += ["sampling", "models", "scoring", "training", "report", "sweep"]
MODULES = sorted((HOME / "common").rglob("*.py"))
FILE, CLASS = 220, 160  # lines at most


def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def room_of(dotted):
    """'common.data.named.idx' -> 'data'; None for what is not in common/."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "common" and len(parts) > 1 else None


def imports_of(file):
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ImportFrom) and node.module == "common":
            yield from (f"common.{one.name}" for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def named(file):
    return str(file.relative_to(HOME))


@pytest.mark.parametrize("file", [file for file in MODULES if file != HOME / "common" / "__init__.py"], ids=named)
def test_imports_run_one_way(file):
    own = ROOMS.index(file.relative_to(HOME / "common").parts[0].removesuffix(".py"))
    rooms = {room_of(name) for name in imports_of(file)} - {None, "__version__"}
    if file.name == "settings.py" and file.parent.name == "options":
        rooms.discard("data")  # a name for the type checker, which is not imported when it runs
    assert all(ROOMS.index(room) <= own for room in rooms), rooms


def test_every_room_is_in_the_order():
    found = {
        path.stem for path in (HOME / "common").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == {*ROOMS}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_never_import_one_another(script):
    assert not {name.split(".")[0] for name in imports_of(HOME / f"{script}.py")} & {*SCRIPTS}


@pytest.mark.parametrize("file", MODULES, ids=named)
def test_a_file_and_a_class_can_be_seen_whole(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= FILE
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno < CLASS, node.name


def attributes_set_in(function):
    """Names x of `self.x = ...` in it."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node.value, ast.Name) and node.value.id == "self"
    }


@pytest.mark.parametrize("file", MODULES, ids=named)
def test_no_attribute_is_born_outside_of_init(file):
    for kind in (node for node in ast.walk(parsed(file)) if isinstance(node, ast.ClassDef)):
        methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
        born = attributes_set_in(methods["__init__"]) if "__init__" in methods else set()
        born |= {node.target.id for node in kind.body if isinstance(node, ast.AnnAssign)}  # a dataclass's fields
        late = {name: attributes_set_in(method) - born for name, method in methods.items()}
        assert not any(late.values()), (kind.name, late)


@pytest.mark.parametrize("package", sorted((HOME / "common").glob("*/__init__.py")), ids=named)
def test_each_room_says_in_one_sentence_what_lives_there(package):
    (said,) = [ast.get_docstring(parsed(package))]
    assert said and "\n" not in said and re.fullmatch(r"[^.]+(\.\w[^.]*)*\.", said), said


def constants_of(file):
    """Texts in the code that are no docstrings."""
    tree = parsed(file)
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if hasattr(node, "body") and isinstance(node.body, list) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


TOOLS = [HOME / f"{name}.py" for name in ("sample", "evaluate", "compare", "look", "sweep")]


@pytest.mark.parametrize("file", [*MODULES, *TOOLS], ids=named)
def test_no_tool_decides_by_the_name_of_a_script(file):
    assert not {*SCRIPTS} & {*constants_of(file)}


@pytest.mark.parametrize("file", TOOLS + [file for file in MODULES if "scoring" in file.parts], ids=named)
def test_no_tool_guesses_what_a_network_can_do_from_its_attributes(file):
    assert "hasattr" not in {node.id for node in ast.walk(parsed(file)) if isinstance(node, ast.Name)}
