"""A release is one version everywhere, and what is built holds what it should and no more."""

import zipfile
from datetime import date

import pytest
from tools import archives, dist, release, sources
from tools.release import ReleaseError

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- Faster.\n\n## [0.1.0] - 2026-11-01\n\n- First.\n"
CITATION = "cff-version: 1.2.0\nversion: 0.1.0\ndate-released: 2026-11-01\n"
PROJECT = '[project]\nname = "memrix"\nversion = "0.1.0"\n'


@pytest.fixture
def project(tmp_path):
    """A project whose version is 0.1.0 everywhere, with one change since."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "CITATION.cff").write_text(CITATION)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_version_of_memrix_is_one_everywhere():
    assert release.problems() == []


def test_a_version_that_is_one_everywhere_has_no_problems(project):
    assert release.problems(project) == []
    assert release.problems(project, "v0.1.0") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("CITATION.cff", "0.1.0", "0.2.0", "CITATION.cff has version 0.2.0, pyproject.toml 0.1.0"),
        ("CITATION.cff", "2026-11-01", "2026-11-02", "CITATION.cff has date-released 2026-11-02"),
        ("CHANGELOG.md", " - 2026-11-01", "", "must end in its day"),
        ("CHANGELOG.md", "2026-11-01", "2026-13-01", "must end in its day"),
        ("CHANGELOG.md", "[0.1.0]", "[0.2.0]", "pyproject.toml has 0.1.0, which is older"),
        ("CHANGELOG.md", "[0.1.0]", "[first]", "a version is three numbers"),
        ("CHANGELOG.md", "- First.\n", "## [0.3.0] - 2026-10-01\n", "versions must fall"),
        ("CHANGELOG.md", "- First.\n", "## [Unreleased]\n", "[Unreleased] must be the first"),
        ("pyproject.toml", "0.1.0", "0.1", "pyproject.toml: a version is three numbers"),
    ],
    ids=["citation", "its date", "no date", "no such date", "older", "no version", "order", "twice", "two numbers"],
)
def test_what_disagrees_is_told(project, file, old, new, problem):
    change(project / file, old, new)
    assert any(problem in found for found in release.problems(project))


def test_a_tag_of_another_version_or_of_an_unwritten_one_is_refused(project):
    assert "the tag v0.2.0 is not v0.1.0" in release.problems(project, "v0.2.0")[0]
    change(project / "CHANGELOG.md", "## [0.1.0] - 2026-11-01\n\n- First.\n", "")
    assert release.problems(project) == []
    assert "tools.release prepare 0.1.0" in release.problems(project, "v0.1.0")[0]


def test_a_version_is_prepared(project):
    release.prepare("0.2.0", date(2026, 12, 1), project)
    assert release.problems(project, "v0.2.0") == []
    assert release.notes("0.2.0", project) == "- Faster."
    assert release.notes("Unreleased", project) == ""
    assert "date-released: 2026-12-01\n" in (project / "CITATION.cff").read_text()
    with pytest.raises(ReleaseError, match="nothing to release"):
        release.prepare("0.3.0", date(2026, 12, 2), project)


def test_a_version_that_is_not_newer_is_not_prepared(project):
    for version in ("0.1.0", "0.0.9", "0.1.0rc1"):
        with pytest.raises(ReleaseError, match=r"does not come after 0\.1\.0"):
            release.prepare(version, date(2026, 12, 1), project)
    with pytest.raises(ReleaseError, match="three numbers"):
        release.prepare("v0.2.0", date(2026, 12, 1), project)
    assert (project / "CHANGELOG.md").read_text() == CHANGELOG


def test_versions_are_ordered():
    versions = ["0.9.0", "0.10.0a1", "0.10.0rc1", "0.10.0rc2", "0.10.0", "1.0.0"]
    assert sorted(reversed(versions), key=release.order) == versions


def test_notes_of_an_unknown_version_tell_those_that_are_known(project):
    with pytest.raises(ReleaseError, match=r"it has Unreleased, 0\.1\.0"):
        release.notes("0.7.0", project)


def test_links_of_a_page_lead_to_the_files_of_a_tag():
    page = "[a](docs/a.md#b) [c](https://c.org) [d](#d) ![e](docs/e.png) [![f](f.svg)](LICENSE)"
    host, raw = "https://github.com/m/m", "https://raw.githubusercontent.com/m/m/v1.0.0"
    assert sources.absolute_links(page, host, "", "v1.0.0") == (
        f"[a]({host}/blob/v1.0.0/docs/a.md#b) [c](https://c.org) [d](#d) ![e]({raw}/docs/e.png) "
        f"[![f]({raw}/f.svg)]({host}/blob/v1.0.0/LICENSE)"
    )
    code = "```python\nlayers[0](x)\n```\n"
    assert sources.absolute_links(code, host, "", "v1.0.0") == code
    assert sources.absolute_links("[a](a.md)", host, "x/", "v1.0.0") == f"[a]({host}/blob/v1.0.0/x/a.md)"


def test_the_page_of_memrix_has_no_relative_link_left(tmp_path):
    for name in ("README.md", "pyproject.toml"):
        (tmp_path / name).write_bytes((release.ROOT / name).read_bytes())
    sources.link_absolutely(tmp_path, tmp_path, "v1.0.0")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "](docs/" not in text
    assert "](CONTRIBUTING" not in text
    assert "https://raw.githubusercontent.com/memrix/memrix/v1.0.0/docs/results.png" in text


def test_a_recognizer_without_weights_is_not_built(tmp_path):
    for name in ("with", "without"):
        (tmp_path / "recognizers" / name).mkdir(parents=True)
        (tmp_path / "recognizers" / name / "pyproject.toml").touch()
    (tmp_path / "recognizers" / "with" / "3-bit.safetensors").touch()
    folders, remarks = sources.distributions(tmp_path)
    assert folders == [tmp_path, tmp_path / "recognizers" / "with"]
    assert remarks == ["recognizers/without holds no weights (*.safetensors): it is not built"]


def wheel(folder, files):
    path = folder / "memrix-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name, size in files.items():
            opened.writestr(name, bytes(size))
    return archives.Contents.of(path)


GOOD = {"memrix/__init__.py": 10, "memrix/a.safetensors": 1000, "memrix-0.1.0.dist-info/licenses/LICENSE": 5}


def test_a_wheel_tells_its_size_and_has_no_problems(tmp_path):
    made = wheel(tmp_path, GOOD)
    assert made.problems() == []
    assert "in 3 files" in made.describe()
    assert made.weights == 1000


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({**GOOD, "memrix/b.safetensors": 8 * 10**6}, "its weights have 8.00 MB, and may have 8.00 MB"),
        ({**GOOD, "memrix/b.bin": 10**7}, "the wheel has 10.00 MB, and may have 10.00 MB"),
        ({**GOOD, "tests/conftest.py": 1}, "tests/conftest.py has no place"),
        ({"memrix/__init__.py": 10}, "there is no LICENSE"),
    ],
    ids=["weights", "size", "tests", "license"],
)
def test_what_is_wrong_with_a_wheel_is_told(tmp_path, files, problem):
    assert any(problem in found for found in wheel(tmp_path, files).problems())


def test_a_file_of_the_package_that_its_wheel_lacks_is_told(tmp_path):
    package = tmp_path / "memrix"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "preset.toml").touch()
    assert archives.missing_files(wheel(tmp_path, GOOD), package) == [
        "memrix-0.1.0-py3-none-any.whl: memrix/preset.toml is missing"
    ]


def test_a_copy_of_the_project_holds_what_git_knows(tmp_path):
    folder = sources.stage(release.ROOT, tmp_path / "copy")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "src/memrix/py.typed", "tests/test_release.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".git/", ".venv/"))]


@pytest.mark.parametrize("name", dist.TESTS)
def test_what_is_tested_of_what_is_installed_is_there(name):
    assert (release.ROOT / name).exists()
