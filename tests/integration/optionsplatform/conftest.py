import os
import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def data_dir():
    """A data folder that any user may pass through; what it made elsewhere is removed too."""
    yield from _data_folder()


@pytest.fixture(scope="module")
def shared_data_dir():
    """One for tests that change nothing in it."""
    yield from _data_folder()


def _data_folder():
    folder = Path(tempfile.mkdtemp(prefix="options-test-"))
    folder.chmod(0o755)
    yield folder
    _remove(folder)


@pytest.fixture
def private_dir():
    """A data folder that only its owner may enter, as in a clone under /root."""
    folder = Path(tempfile.mkdtemp(prefix="options-test-")) / ".data"
    folder.parent.chmod(0o700)
    folder.mkdir()
    yield folder
    _remove(folder)
    folder.parent.rmdir()


@pytest.fixture
def as_root():
    if os.geteuid() != 0:
        pytest.skip("only root runs the services as nobody")


def _remove(folder):
    remembered = folder / "services.folder"
    if remembered.exists():
        shutil.rmtree(remembered.read_text().strip())
    shutil.rmtree(folder)
