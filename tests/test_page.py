"""comparison.html in a real browser: Debian's Chromium, driven by Playwright."""

import json
import shutil
from pathlib import Path

from common.runs.record import read_record, write_record
from common.runs.scores import read_scores, write_scores

import pytest

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "<script>alert(1)</script>"  # a folder in a folder
ANOTHER = "<img src=x onerror=alert(2)>"

if not CHROMIUM.exists():
    pytest.skip(f"no browser: {CHROMIUM} is missing (apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no browser driver (pip install playwright)")


@pytest.fixture(scope="session")
def home(once, trained, shell):
    """Runs of two scripts, one with two seeds, scored; one whose name is a script; one without scores."""

    def make(home):
        wgan = trained("wgan", "--epochs", 4, rates=("2e-4", "5e-5", "0"))
        shutil.copytree(trained("gan", "--epochs", 4), home / "gan")
        shutil.copytree(trained("gan", "--epochs", 4, "--seed", 1), home / "gan-1")
        shutil.copytree(wgan, home / "wgan")
        assert shell("evaluate", home).code == 0
        for name in (HOSTILE, ANOTHER):
            shutil.copytree(home / "wgan", home / name)
        shutil.copytree(wgan, home / "unscored")
        record = read_record(home / "unscored")
        record |= {"state": "diverged", "settings": {**record["settings"], "clip": 1}}
        write_record(home / "unscored", record)
        done = shell("compare", home, home / HOSTILE, "--output", home)
        assert done.code == 0, done.err

    return once("page", make)


@pytest.fixture(scope="session")
def grid(once, home, shell):
    """A page of 14 runs: copies of a real one that say they had other rates, and scores; one has diverged."""

    def make(folder):
        scores = read_scores(home / "gan")
        for place in range(14):
            rates, seed = (("1e-4", "1e-3")[place // 2 % 2], ("1e-4", "1e-3", "1e-2", "1e-1")[place // 4]), place % 2
            run = folder / f"{'-'.join(rates)}-{seed}"
            shutil.copytree(home / "gan", run)
            record = read_record(run)
            record["settings"] |= {"lr_g": float(rates[1]), "lr_d": float(rates[0]), "seed": seed}
            (scores[0]["scores"]["frechet"], scores[0]["scores"]["recall"]) = 100 - place, 0.9 - place / 100
            write_scores(run, scores)
            if place == 13:
                (run / "scores.json").unlink()
                record["state"] = "diverged"
            write_record(run, record)
        done = shell("compare", folder)
        assert done.code == 0, done.err
        (folder / "said.txt").write_text(done.err + done.out)

    return once("grid", make)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(browser, home, request):
    """The page, opened; afterwards: no console message, no error, no dialog, no request but the file itself."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=request.param)
    page = context.new_page()
    troubles, requests = [], []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((home / "comparison.html").as_uri())
    yield page
    context.close()
    assert troubles == []
    assert [url for url in requests if not url.startswith("data:")] == [(home / "comparison.html").as_uri()]


def sources(page):
    return page.eval_on_selector_all("figure img", "images => images.map(image => image.hidden ? '' : image.src)")


def captions(page):
    return page.eval_on_selector_all("figure .when", "found => found.map(one => one.textContent)")


def slide(page, value):
    page.eval_on_selector("#at", "(at, v) => { at.value = v; at.dispatchEvent(new Event('input')); }", value)


def test_the_slider_moves_all_runs_together(page):
    last = sources(page)
    assert len(last) == 6 and captions(page) == ["epoch 4"] * 6
    slide(page, 500)
    assert captions(page) == ["epoch 2"] * 6
    assert all(one and one != other for one, other in zip(sources(page), last, strict=True))
    slide(page, 0)
    assert sources(page) == [""] * 6 and page.locator("text=no grid so early").first.is_visible()
    assert not any(picture.is_visible() for picture in page.locator("figure img").all())
    slide(page, 1000)
    assert sources(page) == last


def test_the_slider_goes_by_keyboard(page):
    page.focus("#at")
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    assert captions(page) == ["epoch 2"] * 6
    assert page.get_attribute("#at", "aria-valuetext") == page.text_content("#reading") == "epoch 2.8"


def test_every_grid_is_drawn(page):
    widths = page.eval_on_selector_all("figure img", "images => images.map(image => image.naturalWidth)")
    assert all(width == 8 * 58 + 2 for width in widths)


def test_the_axis_is_switched_by_a_click(page):
    curves = "paths => paths.map(path => path.getAttribute('d'))"
    by_epoch = page.eval_on_selector_all("#charts path[stroke]", curves)
    page.check("input[value=generator_steps]")
    assert "steps" in page.text_content("#reading")
    assert page.eval_on_selector_all("#charts path[stroke]", curves) != by_epoch
    # wgan has a fifth of gan's generator steps, so at a third of gan's all of wgan's are past.
    slide(page, 340)
    names = page.eval_on_selector_all("figure strong", "names => names.map(one => one.textContent)")
    found = dict(zip(names, captions(page), strict=True))
    assert found["wgan"].startswith("epoch 4") and found["gan"].startswith("epoch 1")
    page.check("input[value=seconds]")
    assert ":" in page.text_content("#reading")


def test_it_says_whose_generator_steps_are_fewer(page):
    note = page.text_content("#steps-note")
    assert "wgan" in note and "after 5 of the discriminator's" in " ".join(note.split())


def test_tables_are_sorted_by_a_click_blanks_last(page):
    def column(place):
        cells = page.eval_on_selector_all(
            "table.scores tbody tr", f"rows => rows.map(row => row.cells[{place}].dataset.value)"
        )
        return [float(cell) for cell in cells if cell]

    head = page.locator("table.scores th", has_text="Fréchet")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(2) == sorted(column(2)) and len(column(2)) > 1
    page.keyboard.press("Enter")  # the button has the focus
    assert head.get_attribute("aria-sort") == "descending"
    assert column(2) == sorted(column(2), reverse=True)


def test_runs_that_differ_by_their_seed_are_folded(page):
    text = page.text_content("table.scores tbody")
    assert "gan (×2 seeds)" in text and "±" in text
    assert page.locator("#legend label").count() == 5  # gan with both its seeds, wgan and three copies of it
    assert page.locator("#charts path[fill-opacity]").count() >= 2  # the spread of both losses


def test_a_run_can_be_left_out_of_the_curves(page):
    before = page.locator("#charts path[stroke]").count()
    page.uncheck("#legend input >> nth=0")
    assert page.locator("#charts path[stroke]").count() < before


def test_settings_that_differ_are_marked(page):
    marked = page.eval_on_selector_all("tr.differs td:first-child", "cells => cells.map(cell => cell.textContent)")
    assert {"seed", "clip", "script"} <= set(marked)
    assert "batch size" not in marked


def test_states_and_what_was_not_scored_are_said(page):
    text = page.text_content("main")
    assert "finished" in text and "diverged" in text
    assert page.locator(".badge", has_text="collapsed").count() == 6  # by its scores, or by the run's own word
    assert page.locator(".badge", has_text="not scored").count() == 1
    assert "Not scored: unscored" in text


def test_a_name_that_is_a_script_is_only_text(page):
    assert HOSTILE in page.text_content("main") and ANOTHER in page.text_content("main")


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, home):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((home / "comparison.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    widths = page.eval_on_selector_all("figure", "all => all.map(one => one.getBoundingClientRect().width)")
    assert min(widths) > 150
    page.close()


def test_both_themes_can_be_read(browser, home, grid):
    """Text stands out from its ground by at least 4.5 to 1, WCAG's mark."""
    contrast = """() => {
        const light = colour => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(v => v / 255)
                .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = element => {
            for (let e = element; e; e = e.parentElement) {
                const colour = getComputedStyle(e).backgroundColor;
                if (!colour.endsWith(", 0)")) return colour;
            }
        };
        return [...document.querySelectorAll("p, td, th, small, select, figcaption, .badge, label, h1")]
            .map(element => {
            const two = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
            return [(two[0] + 0.05) / (two[1] + 0.05), element.className + element.textContent.slice(0, 30)];
        }).filter(([ratio]) => ratio < 4.5);
    }"""
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        for folder in (home, grid):
            page.goto((folder / "comparison.html").as_uri())
            assert page.evaluate(contrast) == []
        page.close()


def test_the_page_holds_all_it_needs(home):
    text = (home / "comparison.html").read_text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    content = text.split('id="content">')[1].split("</script>")[0]
    assert len(json.loads(content)["runs"]) == 6


# --- settings and score


def test_two_settings_that_vary_are_a_table_of_scores(browser, grid):
    page = browser.new_page()
    page.goto((grid / "comparison.html").as_uri())
    heat = page.locator("table.heat").first
    rows = [" ".join(row.inner_text().split()) for row in heat.locator("tr").all()]
    assert rows[0].startswith("lr g ↓ lr d →") and rows[1] == "1e-4 1e-3"
    assert rows[2] == "1e-4 99.50 ± 0.71 97.50 ± 0.71" and rows[4] == "0.01 91.50 ± 0.71 89.50 ± 0.71"
    assert rows[5] == "0.1 ★ 88.00 1 of 2 diverged"
    assert "lr g 0.1, lr d 1e-4: Fréchet 88.00" in heat.locator("td.top").get_attribute("title")
    page.close()


def test_the_score_is_chosen_by_keyboard(browser, grid):
    page = browser.new_page()
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto((grid / "comparison.html").as_uri())
    best = page.locator(".best-line:visible")
    assert best.count() == 1 and "Fréchet 88.00" in best.inner_text()
    page.focus(".choice select")
    page.keyboard.type("recall")
    assert best.count() == 1 and "recall 0.895" in best.inner_text()
    assert "higher is better" in page.locator("[data-score=recall]").inner_text() and not troubles
    page.close()


def test_without_javascript_the_main_score_is_shown(browser, grid):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((grid / "comparison.html").as_uri())
    assert page.locator("table.heat:visible").count() == 1 and not page.locator(".choice").is_visible()
    assert "Fréchet 88.00" in page.locator(".best-line:visible").inner_text()
    context.close()


def test_the_table_of_scores_fits_a_phone(browser, grid):
    page = browser.new_page(viewport={"width": 375, "height": 700})
    page.goto((grid / "comparison.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.close()


def test_of_many_runs_the_best_are_pictured_and_come_first(grid):
    said = (grid / "said.txt").read_text()
    assert "comparison.png shows 8 of 14 runs: the best by Fréchet, one of all its seeds" in said
    table = said[said.index("best Fréchet first") :].splitlines()
    assert table[2].startswith("1e-4-1e-1-0") and table[8].startswith("1e-4-1e-4-0")


def test_a_page_of_few_settings_has_no_such_section(home):
    assert 'id="landscapes"' not in (home / "comparison.html").read_text()
