"""`bin/bench`: what it is asked for, before anything is measured."""

import pytest

from optionsplatform import bench


@pytest.mark.parametrize("words", [[], ["nonsense"], ["start", "--pairs", "3"], ["replay", "--nonsense"]])
def test_what_a_benchmark_does_not_know_is_refused_before_it_starts(words, capsys):
    with pytest.raises(SystemExit) as refused:
        bench.main(words)

    assert refused.value.code == 2
    assert capsys.readouterr().err.startswith("usage: bin/bench")


def test_the_engine_gets_its_own_options(monkeypatch):
    given = []
    monkeypatch.setitem(bench.BENCHES, "engine", lambda options: given.append(options.rest) or 0)

    assert bench.main(["engine", "--pairs", "3", "--workers", "2"]) == 0
    assert given == [["--pairs", "3", "--workers", "2"]]
