"""Candidates: all of a small space once, Optuna's choice of a large one, no code twice."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tune_fakes import PROBLEM

from splashgen.config import Config
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.space import Constraint, Space
from splashgen.tune.database.state import state_folder
from splashgen.tune.database.storage import open_storage
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.search import search as search_module
from splashgen.tune.search.search import Search
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.records import Ticket

LARGE = Space(
    "large",
    {"a": tuple(range(8)), "b": tuple(range(8)), "twin": (0, 1), "bad": (False, True)},
    (Constraint("It is bad.", lambda problem, gpu, config: not config["bad"]),),
)

VAST = Space("large", {"a": tuple(range(8)), "b": tuple(range(8)), "twin": tuple(range(8))}, ())


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configs of `LARGE` render to code that `twin` does not change."""

    class Text:
        def __init__(self, config: Config) -> None:
            self.hash = f"{config['a']}-{config['b']}"

    monkeypatch.setattr(search_module, "render", lambda problem, config: Text(config))


def _search(
    space: Space, trials: int | None, first: tuple[Config, ...] = (), seed: int = 0, worker: str = ""
) -> Search:
    journal = Journal(open_storage(state_folder()), PROBLEM, CPU, space, seed=seed, worker=worker)
    return Search(journal, space, PROBLEM, CPU, first, trials)


def _run(search: Search, time_of: Callable[[Config], float], most: int = 10_000) -> list[Config]:
    tried = []
    while len(tried) < most and (ticket := search.next()):
        tried.append(ticket.config)
        search.tell(ticket, Outcome(Status.OK, samples=(time_of(ticket.config),)), 0.0)
    return tried


def _bowl(config: Config) -> float:
    return 1.0 + (int(config["a"]) - 5) ** 2 + (int(config["b"]) - 2) ** 2


@pytest.mark.usefixtures("faulty")
def test_a_small_space_is_tried_as_a_whole_and_no_code_twice() -> None:
    space = family_for(PROBLEM, CPU).space
    search = _search(space, None)
    tried = _run(search, lambda config: 1.0)
    assert search.exhaustive
    assert len(tried) == len(set(tried)) == 9
    assert not any(config["fault"] == "big" for config in tried)


@pytest.mark.usefixtures("rendered")
def test_the_given_configs_come_first() -> None:
    first = tuple(Config.of("large", {"a": a, "b": 0, "twin": 0, "bad": False}) for a in (3, 1))
    assert tuple(_run(_search(LARGE, 5, first), _bowl)[:2]) == first


@pytest.mark.usefixtures("rendered")
def test_while_nothing_was_timed_one_parameter_of_the_first_is_changed() -> None:
    """As many candidates are asked for before the first result as there are compilers."""
    first = Config.of("large", {"a": 3, "b": 4, "twin": 0, "bad": False})
    search = _search(LARGE, 12, (first,))
    tried = [ticket.config for ticket in (search.next() for _ in range(10)) if ticket]
    assert tried[0] == first and len(set(tried)) == 10
    assert all(sum(config[name] != first[name] for name in first) == 1 for config in tried[1:])


@pytest.mark.usefixtures("rendered")
@pytest.mark.parametrize(("trials", "near"), [(14, 6), (40, 14)])
def test_a_large_space_is_searched_around_the_first_before_anywhere_else(trials: int, near: int) -> None:
    """Seven others of two parameters, in half of the trials at most; one in eight is another sampler's."""
    first = Config.of("large", {"a": 3, "b": 4, "twin": 0})
    tried = _run(_search(VAST, trials, (first,)), _bowl)
    changes = [sum(config[name] != first[name] for name in ("a", "b")) for config in tried]
    assert changes[0] == 0
    assert changes[1 : near + 3].count(1) >= near > changes[near + 3 :].count(1)


@pytest.mark.usefixtures("rendered")
def test_a_given_config_that_is_not_of_the_space_is_left_out() -> None:
    foreign = Config.of("other", {"a": 1, "b": 0, "twin": 0, "bad": False})
    beyond = Config.of("large", {"a": 99, "b": 0, "twin": 0, "bad": False})
    assert not {foreign, beyond} & set(_run(_search(LARGE, 3, (foreign, beyond)), _bowl))


@pytest.mark.usefixtures("rendered")
def test_a_large_space_is_searched_within_its_trials_without_twins_or_bad_ones() -> None:
    search = _search(LARGE, 25)
    tried = _run(search, _bowl)
    assert not search.exhaustive
    assert len(tried) == 25
    assert len({(config["a"], config["b"]) for config in tried}) == 25
    assert not any(config["bad"] for config in tried)


@pytest.mark.usefixtures("rendered")
def test_a_search_goes_on_where_it_was_killed() -> None:
    before = _run(_search(LARGE, 20), _bowl, most=8)
    lost = _search(LARGE, 20)
    lost.next()  # in flight when its tuner dies
    after = _run(_search(LARGE, 20), _bowl)
    assert len(after) == 12
    codes = [(config["a"], config["b"]) for config in before + after]
    assert len(set(codes)) == 20


@pytest.mark.usefixtures("rendered")
def test_results_of_other_code_are_not_ranked_and_their_configs_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = _run(_search(LARGE, 20), _bowl, most=8)
    old = search_module.render(PROBLEM, before[0]).__class__
    monkeypatch.setattr(
        search_module, "render", lambda problem, config: SimpleNamespace(hash=f"new {old(config).hash}")
    )
    search = _search(LARGE, 20, first=tuple(before))
    assert not search.records
    after = _run(search, _bowl)
    assert len(after) == 20
    assert set(before) <= set(after)
    assert all(record.code_hash.startswith("new") for record in search.records)


@pytest.mark.usefixtures("rendered")
def test_a_drought_ends_however_long_it_went_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that lead to known configs count too, and while there are any, nobody looks at the count."""
    search = _search(VAST, 505)
    (known,) = _run(search, _bowl, most=1)
    steps = iter([known] * 13)
    monkeypatch.setattr(search_module, "first_step", lambda *args: None)
    monkeypatch.setattr(search_module, "step", lambda *args: next(steps, None))
    asked, propose = [], Journal.propose

    def stubborn(journal: Journal) -> Ticket:
        """A sampler that has seen the best proposes little else."""
        if journal.waiting:
            return propose(journal)
        asked.append(known)
        assert len(asked) < 50
        return journal.take(known)

    monkeypatch.setattr(Journal, "propose", stubborn)
    ticket = search.next()
    assert ticket is not None
    assert ticket.config != known


@pytest.mark.usefixtures("rendered")
def test_all_codes_of_a_large_space_are_found_before_it_gives_up() -> None:
    search = _search(LARGE, 100)
    assert not search.exhaustive
    tried = _run(search, _bowl)
    assert len(tried) == 64


def test_another_seed_is_another_search(
    rendered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    for number, seed in enumerate((0, 0, 1)):
        monkeypatch.setenv("SPLASHGEN_STATE_DIR", str(tmp_path / str(number)))
        search = _search(LARGE, 4, seed=seed)
        tried.append([])
        while ticket := search.next():
            tried[-1].append(ticket.config)
            search.tell(ticket, Outcome(Status.OK, samples=(1.0,)), 0.0)
    assert tried[0] == tried[1] != tried[2]


@pytest.mark.usefixtures("rendered")
def test_what_another_worker_ends_while_one_looks_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may end one at any time: it must not be found idle with its result unknown."""
    ours, others = (_search(LARGE, 25, worker=worker) for worker in ("ours", "other"))
    theirs = others.next()
    assert theirs is not None and ours.others_busy()
    look = Journal.others_busy.fget
    assert look is not None

    def ended_meanwhile(journal: Journal) -> bool:
        others.tell(theirs, Outcome(Status.OK, samples=(1.0,)), 0.0)
        return look(journal)

    monkeypatch.setattr(Journal, "others_busy", property(ended_meanwhile))
    assert not ours.others_busy()
    assert [record.config for record in ours.records] == [theirs.config]
