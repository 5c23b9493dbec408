"""Workflows, templates and the image name what there is: files, targets, versions, addresses."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TEMPLATES = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MADE = {"dist/", "dist/*", "build/site", "versions.txt", "notes.md"}
"""What steps make."""


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs(path):
    return read(path)["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def commands(path):
    return [words for step in steps(path) if "run" in step for words in lines_of(step["run"])]


def lines_of(text):
    return [shlex.split(re.sub(r"\$\{\{.*?\}\}", "EXPRESSION", line)) for line in text.splitlines()]


def paths_named(path):
    """Words of commands and settings that look like files or folders of the project."""
    words = [word for command in commands(path) for word in command]
    for step in steps(path):
        words += [word for value in step.get("with", {}).values() for word in str(value).split()]
    files = re.compile(r"[\w./*-]+(/[\w./*-]*|\.(txt|toml|yml|md|py))")
    return {word for word in words if files.fullmatch(word)} - MADE


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflows:
    def test_paths_exist(self, path):
        missing = [name for name in paths_named(path) if not (ROOT / name).exists()]
        assert not missing

    def test_targets_of_make_exist(self, path):
        for words in commands(path):
            if words[0] == "make":
                assert re.search(rf"(?m)^{words[1]}:", MAKEFILE)

    def test_tools_exist(self, path):
        for words in commands(path):
            if "-m" in words and (module := words[words.index("-m") + 1]).startswith("tools."):
                assert (ROOT / f"{module.replace('.', '/')}.py").is_file()

    def test_extras_exist(self, path):
        for words in commands(path):
            for extras in re.findall(r"^\.\[(.*)\]$", "\n".join(words), flags=re.MULTILINE):
                assert set(extras.split(",")) - {"EXPRESSION"} <= set(PROJECT["optional-dependencies"])

    def test_jobs_that_are_needed_or_called_exist(self, path):
        known = jobs(path)
        for job in known.values():
            needed = job.get("needs", [])
            assert set([needed] if isinstance(needed, str) else needed) <= set(known)
            if "uses" in job:
                called = ROOT / job["uses"]
                assert "workflow_call" in read(called)[True]  # YAML 1.1 reads the key `on` as true

    def test_every_job_ends(self, path):
        assert all("timeout-minutes" in job or "uses" in job for job in jobs(path).values())

    def test_nothing_may_be_written_but_what_a_job_asks_for(self, path):
        assert read(path)["permissions"] == {"contents": "read"}


def matrix(job):
    return jobs(GITHUB / "workflows" / "test.yml")[job]["strategy"]["matrix"]


CORE = matrix("core")["include"]


def test_every_python_of_the_classifiers_is_tested():
    classified = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert sorted({*matrix("make-test")["python"], *(entry["python"] for entry in CORE)}) == classified
    assert PROJECT["requires-python"] == f">={classified[0]}"


def test_the_oldest_torch_that_is_allowed_is_tested():
    (oldest,) = (re.fullmatch(r"torch>=([\d.]+)", line)[1] for line in PROJECT["dependencies"] if "torch" in line)
    assert any(entry["torch"] == f"=={oldest}.*" and not entry["may-fail"] for entry in CORE)
    assert any(entry["torch"] == f">={oldest}" for entry in CORE)


def test_extras_and_tests_of_the_core_exist():
    for entry in CORE:
        assert set(entry["extras"].split(",")) <= set(PROJECT["optional-dependencies"])
        assert all((ROOT / name).exists() for name in entry["speech"].split())


def test_only_the_job_that_publishes_gets_an_identity():
    published = jobs(GITHUB / "workflows" / "publish.yml")
    assert [name for name, job in published.items() if "id-token" in job.get("permissions", {})] == ["pypi"]
    assert published["pypi"]["environment"]["name"] == "pypi"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_of_issues_ask_for_something(path):
    form = read(path)
    if path.name != "config.yml":
        assert {"name", "description", "body"} <= set(form)
        names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(set(names)) == len(names) >= 3
        assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_addresses_of_the_repository_agree():
    address = PROJECT["urls"]["Source"]
    assert all(url.startswith(address) for url in PROJECT["urls"].values())
    assert read(ROOT / "CITATION.cff")["repository-code"] == address
    pages = [ROOT / "SECURITY.md", *GITHUB.rglob("*.yml"), *GITHUB.rglob("*.md")]
    for page in pages:
        for found in re.findall(r"https://github\.com/[\w-]+/[\w-]+", page.read_text(encoding="utf-8")):
            assert found == address, page


def test_files_that_templates_link_to_exist():
    address = PROJECT["urls"]["Source"]
    for page in [*GITHUB.rglob("*.yml"), *GITHUB.rglob("*.md")]:
        for name in re.findall(rf"{address}/blob/main/([\w./-]+)", page.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), page


def test_a_commit_is_checked_as_make_lint_checks():
    hooks = [hook for repo in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    entries = [hook.get("entry", "").replace(" --force-exclude", "") for hook in hooks]
    recipe = re.search(r"(?m)^lint: .*\n((?:\t.*\n)+)", MAKEFILE)[1]
    for line in recipe.split("\n\t"):
        assert line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") in entries


def test_the_image_is_made_of_what_is_sent_to_the_engine():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    kept = re.findall(r"(?m)^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"))
    copied = [name for line in re.findall(r"(?m)^COPY (.+)$", text) for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert set(copied) - {"."} <= set(kept)
    needed = {"src", "pyproject.toml", "constraints.txt", PROJECT["readme"], *PROJECT["license-files"]}
    assert needed <= set(kept)
    assert set(re.search(r"\.\[([\w,]+)\]", text)[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert text.rstrip().endswith('CMD ["memrix", "demo"]')
