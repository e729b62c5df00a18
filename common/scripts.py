"""Which files beside common/ are scripts, told by reading them: importing one would run it.

There is no list of names: users add variants of their own, formatted as they like.
"""

import ast
import hashlib
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent  # where the scripts are


def _calls(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    """The calls of a function of one of these names, by itself or as a module's attribute, within the tree."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in names)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in names)
        )
    ]


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_guard(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, whichever way round."""
    if not (isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and len(node.test.ops) == 1):
        return False
    sides = [node.test.left, *node.test.comparators]
    return (
        isinstance(node.test.ops[0], ast.Eq)
        and any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
        and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    )


def _launch_as(tree: ast.Module) -> set[str]:
    """The names under which the module may have common.training's `launch`; empty where it imports nothing of it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "common":
            for one in node.names:
                if one.name in ("launch", "launching", "training"):
                    names |= {"launch", one.asname or one.name}
        elif isinstance(node, ast.Import) and any(one.name.startswith("common.training") for one in node.names):
            names.add("launch")
    return names


def is_training_script(file: Path) -> bool:
    """Whether the file is Python that hands a `main` to `launch` when it is run, and does not when it is imported."""
    tree = _parsed(file)
    if tree is None:
        return False
    names = _launch_as(tree)
    guarded = [node for node in tree.body if _is_guard(node)]
    run_by_import = [node for node in tree.body if not isinstance(node, ast.FunctionDef) and node not in guarded]
    return bool(guarded and _calls(tree, names) and not any(_calls(node, names) for node in run_by_import))


def is_program(file: Path) -> bool:
    """Whether the file is a training script or one of the tools beside them."""
    tree = _parsed(file)
    return tree is not None and bool(_calls(tree, {"launch", "guarded"}))


def digest_of(home: Path = HOME) -> str | None:
    """SHA-256 of the scripts in this folder and of common/ beside them; None where there are none. Raises OSError."""
    digest = hashlib.sha256()
    files = [*home.glob("*.py"), *(file for file in home.glob("common/**/*") if file.is_file())]
    for file in sorted(file for file in files if "__pycache__" not in file.parts):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(home)}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest() if files else None
