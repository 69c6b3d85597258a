"""The program that draws mutants: what it draws, and that it finds it again."""

import ast
import importlib.util
import sys

import pytest

from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutants"]


@pytest.fixture(scope="module")
def candidates(mutants):
    return mutants.candidates(ROOT)


def test_the_same_seed_draws_the_same_mutants_of_every_kind(mutants, candidates):
    first, again = (mutants.draw(ROOT, 3, 14, candidates) for _ in range(2))
    assert first == again
    assert {mutant.kind for mutant in first} == set(mutants.KINDS)
    assert len({(mutant.drawn_from, mutant.function) for mutant in first}) == 14
    other = mutants.draw(ROOT, 4, 14, candidates)
    assert {m.function for m in other} != {m.function for m in first}


def test_each_is_found_again_and_changes_the_code(mutants, candidates):
    files = mutants.sources(ROOT)
    for mutant in mutants.draw(ROOT, 5, 14, candidates):
        source, site, *_ = mutants.locate(files, mutant)
        assert site.text != site.new
        changed = source.data[: site.start] + site.replacement.encode() + source.data[site.end :]
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source.data))
