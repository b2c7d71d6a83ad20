"""Shares: hand-computed examples, and what holds for all of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_ko.errors import DataError
from preprocessing.config import mixture_rules
from preprocessing.config.mixture import BalanceConfig, DomainConfig, StageConfig
from preprocessing.corpus import mixtures

TOKENS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**13), min_size=1)
NEAR = pytest.approx


def domains(**fields):
    return {name: DomainConfig(**values) for name, values in fields.items()}


LANGUAGES = domains(ko={"langs": ["ko"]}, en={"langs": ["en"]}, code={"langs": ["code"]})


# --- methods -------------------------------------------------------------------------------------------------


def test_shares_by_size_with_and_without_temperature():
    tokens = {"a": 900, "b": 100}
    assert mixtures.by_size(tokens) == NEAR({"a": 0.9, "b": 0.1})
    assert mixtures.by_size(tokens, 2.0) == NEAR({"a": 0.75, "b": 0.25})  # roots 30 and 10
    assert mixtures.by_size(tokens, 1e9) == NEAR({"a": 0.5, "b": 0.5})


def test_unimax_by_hand():
    """30 of 100 each: the small one gives at most 2 * 10, the others share the 80 that are left."""
    tokens = {"large": 1000, "small": 10, "middle": 100}
    assert mixtures.unimax(tokens, 100, 2) == NEAR({"large": 0.4, "small": 0.2, "middle": 0.4})
    # 1 * 10, then 1 * 100 of the half of 490 that is its part, and all the rest
    assert mixtures.unimax(tokens, 500, 1) == NEAR({"large": 0.78, "small": 0.02, "middle": 0.2})


@given(TOKENS, st.floats(1, 1e13), st.floats(0.5, 20))
def test_unimax_sums_to_one_and_keeps_its_cap(tokens, budget, cap):
    shares = mixtures.unimax(tokens, budget, cap)
    assert math.fsum(shares.values()) == NEAR(1)
    if budget <= sum(tokens.values()) * cap:
        epochs = mixtures.epochs_of(shares, tokens, budget)
        assert max(epochs.values()) <= cap * (1 + 1e-9)
        free = [shares[name] for name in tokens if epochs[name] < cap * (1 - 1e-9)]
        assert not free or max(free) == NEAR(min(free))
        assert not free or min(free) >= max(shares.values()) * (1 - 1e-9)


@given(TOKENS, st.floats(1, 1e9))
def test_unimax_is_uniform_when_nothing_is_capped(tokens, budget):
    cap = budget / min(tokens.values())
    assert mixtures.unimax(tokens, budget, cap) == NEAR(dict.fromkeys(tokens, 1 / len(tokens)))


@given(TOKENS, st.floats(1, 100))
def test_shares_by_size_sum_to_one_and_keep_the_order(tokens, temperature):
    shares = mixtures.by_size(tokens, temperature)
    assert math.fsum(shares.values()) == NEAR(1)
    order = sorted(tokens, key=tokens.__getitem__)
    assert all(shares[a] <= shares[b] * (1 + 1e-12) for a, b in zip(order, order[1:]))


def test_targets_of_languages_are_spread_over_their_domains_by_size():
    tokens = {"wiki": 100, "web": 300, "english": 50, "python": 7, "books": 9}
    groups = {"wiki": "ko", "web": "ko", "english": "en", "python": "code", "books": "other"}
    shares = mixtures.by_target(tokens, groups, {"ko": 35, "en": 28, "code": 37})
    assert shares == NEAR({"wiki": 0.0875, "web": 0.2625, "english": 0.28, "python": 0.37})
    assert "books" not in shares
    with pytest.raises(DataError) as caught:
        mixtures.by_target(tokens, groups, {"ko": 1, "fr": 1})
    assert caught.value.rule == "target-without-domain"
    assert "'fr'" in str(caught.value) and "code, en, ko, other" in str(caught.value)


# --- a configuration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, balance, expected",
    [
        ({"a": {"share": 3.0}, "b": {"share": 1.0}}, {}, {"a": 0.75, "b": 0.25}),
        ({"a": {"tokens": 30}, "b": {"tokens": 10}}, {"token_budget": 40}, {"a": 0.75, "b": 0.25}),
        ({"a": {}, "b": {}}, {}, {"a": 0.9, "b": 0.1}),
        ({"a": {}, "b": {}}, {"temperature": 2.0}, {"a": 0.75, "b": 0.25}),
        ({"a": {}, "b": {}}, {"token_budget": 1000, "max_epochs": 2.0}, {"a": 0.8, "b": 0.2}),
        ({"a": {}, "b": {}}, {"token_budget": 100, "method": "size"}, {"a": 0.9, "b": 0.1}),
        (
            {"a": {"group": "x"}, "b": {"langs": ["ko"]}},
            {"targets": {"x": 1.0, "ko": 3.0}},
            {"a": 0.25, "b": 0.75},
        ),
    ],
)
def test_auto_takes_what_is_given(fields, balance, expected):
    tokens = {"a": 900, "b": 100}
    assert mixtures.mixture_of(domains(**fields), tokens, BalanceConfig(**balance)) == NEAR(expected)


def test_a_domain_without_a_share_is_refused():
    two = domains(ko={"langs": ["ko"]}, en={"langs": ["en"]})
    with pytest.raises(DataError) as caught:
        mixtures.mixture_of(two, {"ko": 1, "en": 1}, BalanceConfig(targets={"ko": 1.0}))
    problem = caught.value.problems[0]
    assert (problem.path, problem.rule) == ("domains.en", "domain-without-share")


def test_stages_by_hand():
    balance = BalanceConfig(
        targets={"ko": 35.0, "en": 28.0, "code": 37.0},
        stages=[
            StageConfig(name="one", tokens=1000),
            StageConfig(name="two", tokens=200, shares={"ko": 3.0, "code": 1.0, "en": 0.0}),
            StageConfig(name="three", tokens=100, method="unimax"),
        ],
    )
    one, two, three = mixtures.stages_of(LANGUAGES, {"ko": 100, "en": 1000, "code": 1000}, balance)
    assert one.shares == NEAR({"ko": 0.35, "en": 0.28, "code": 0.37})
    assert one.epochs == NEAR({"ko": 3.5, "en": 0.28, "code": 0.37})
    assert two.shares == NEAR({"ko": 0.75, "code": 0.25})
    assert two.epochs_so_far == NEAR({"ko": 5.0, "code": 0.42})
    assert three.shares == NEAR(dict.fromkeys(LANGUAGES, 1 / 3))


# --- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, balance, check, path",
    [
        ({"a": {"share": 1.0}, "b": {}}, {}, mixture_rules.complete_shares, "domains.b"),
        ({"a": {"tokens": 1}, "b": {}}, {}, mixture_rules.complete_shares, "domains.b"),
        ({"a": {}}, {"method": "shares"}, mixture_rules.complete_shares, "balance.method"),
        ({"a": {}}, {"method": "unimax"}, mixture_rules.token_budget, "balance.token_budget"),
        ({"a": {}}, {"method": "targets"}, mixture_rules.target_groups, "balance.targets"),
        ({"a": {"langs": ["ko", "en"]}}, {"targets": {"ko": 1.0}}, mixture_rules.target_groups, "balance.targets"),
        ({"a": {"langs": ["ko"]}}, {"targets": {"en": 1.0}}, mixture_rules.target_groups, "balance.targets.en"),
        ({"a": {"langs": ["ko"]}}, {"targets": {"en": 1.0}}, mixture_rules.target_groups, "balance.targets"),
        ({"a": {}}, {"stages": [StageConfig(name="s", tokens=1)] * 2}, mixture_rules.stage_names, "balance.stages.1.name"),
        ({"a": {}}, {"stages": [StageConfig(name="s", tokens=1, shares={"x": 1.0})]}, mixture_rules.stage_shares,
         "balance.stages.0.shares.x"),
        ({"a": {}}, {"stages": [StageConfig(name="s", tokens=1, shares={"a": 0.0})]}, mixture_rules.stage_shares,
         "balance.stages.0.shares"),
        ({"a": {}}, {"stages": [StageConfig(name="s", tokens=1, method="tokens")]}, mixture_rules.stage_shares,
         "balance.stages.0.method"),
        ({"a": {}}, {"stages": [StageConfig(name="s", tokens=1, shares={"a": 1.0}, targets={"ko": 1.0})]},
         mixture_rules.stage_shares, "balance.stages.0.targets"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_each_other_are_reported(fields, balance, check, path):
    assert path in [where for where, _ in check(domains(**fields), BalanceConfig(**balance))]


def test_a_sound_configuration_has_no_problem():
    balance = BalanceConfig(
        targets={"ko": 1.0, "en": 1.0, "code": 1.0}, stages=[StageConfig(name="s", tokens=5)]
    )
    assert not [problem for check in mixture_rules.CHECKS for problem in check(LANGUAGES, balance)]


def test_cluster_sizes_of_a_configuration_file_are_numbers(tmp_path):
    from megatron_ko.config.loading import load
    from preprocessing.config.pipeline import Config

    path = tmp_path / "data.yaml"
    path.write_text(
        "output: {folder: x}\ninputs: {a: {type: jsonl, paths: [b]}}\ndomains: {a: {}}\ntokenizer: {vocab_size: 500}\n"
        "balance: {rehydrate: {2: 1.5, 10: 3}, stages: [{name: s, tokens: 7, shares: {a: 1}}]}\n"
    )
    balance = load(Config, [str(path)], []).config.balance
    assert balance.rehydrate == {2: 1.5, 10: 3.0}
    assert balance.stages == [StageConfig(name="s", tokens=7, shares={"a": 1.0})]
