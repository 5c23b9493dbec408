import sys

import pytest
import torch

from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.greedy import greedy_labels
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.settings import SearchSettings
from memrix.errors import AssetError
from tests.asr.search.tiny import write_arpa


def test_without_the_library_the_error_says_what_to_install_and_what_works(monkeypatch, tmp_path):
    for module in [name for name in sys.modules if name.startswith("flashlight")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "flashlight", None)
    for use in (
        lambda: BeamSearch(("<blank>", "A#"), Lexicon({"a": [("A#",)]}), None, SearchSettings(prior_scale=0.0)),
        lambda: load_kenlm(write_arpa(tmp_path), ["tea"]),
    ):
        with pytest.raises(AssetError, match=r"pip install 'memrix\[asr\]'.*Greedy search .* works without"):
            use()
    heard = torch.tensor([[[0.1, 0.9], [0.9, 0.1]]]).log()
    assert greedy_labels(heard, torch.tensor([2])) == [[1]]
