"""`failover`: the primary while it is well, the next tier while it is not, and the primary again after one probe."""

from collections import Counter

from simulator import Ask, Behaviour, Deployment, Simulation

from policies.api import RoutingRequest
from policies.failover import Failover

BROKEN = Behaviour(ttft_s=0.1, tpot_s=0, fails_with="upstream_connect_failed")
WELL = Behaviour(ttft_s=0.1, tpot_s=0)


def test_it_returns_to_the_primary_after_one_successful_probe():
    """While the breaker is open the spare serves; the one probe it admits goes to the primary, and all that follow."""
    primary = Deployment("primary", timeline=((0, WELL), (10, BROKEN), (30, WELL)))
    spare = Deployment("spare", priority=1, timeline=((0, WELL),))
    served = Simulation(Failover(), [spare, primary]).run([Ask(at_s=float(second)) for second in range(100)])

    assert all(one.by is not None for one in served)
    by = [one.by.id for one in served if one.by is not None]
    assert {"primary"} == set(by[:10])
    assert {"spare"} == set(by[10:35])
    chosen = [one.chosen for one in served]
    # Broken at 10 s: five failures open the breaker for 10 s, the failed probe then for 20 s.
    assert [*range(10, 15)] == [second for second in range(10, 24) if chosen[second] == "primary"]
    probes = [second for second in range(15, 100) if chosen[second] == "primary"]
    failed, succeeded = probes[0], probes[1]
    assert [second for second in range(15, succeeded) if chosen[second] == "primary"] == [failed]
    assert by[failed] == "spare"
    assert {"primary"} == set(by[succeeded:])


def test_only_one_request_probes_while_its_answer_is_outstanding():
    primary = Deployment("primary", timeline=((0, BROKEN), (5, Behaviour(ttft_s=3, tpot_s=0, spread=0))))
    spare = Deployment("spare", priority=1, timeline=((0, WELL),))
    asks = [Ask(at_s=number / 10) for number in range(200)]
    served = Simulation(Failover(), [primary, spare]).run(asks)
    probe = next(one for one in served if one.by is primary)
    meanwhile = [one for one in served if probe.ask.at_s < one.ask.at_s < probe.ask.at_s + 3]
    after = [one for one in served if one.ask.at_s > probe.ask.at_s + 3]

    assert len(meanwhile) > 20
    assert {"spare"} == {one.chosen for one in meanwhile}
    assert {"primary"} == {one.chosen for one in after}


def test_within_a_priority_the_weights_share():
    fleet = [Deployment("a", weight=3), Deployment("b"), Deployment("c", priority=1, weight=100)]
    policy = Failover()
    request = RoutingRequest("m", 0.0)

    assert {"a": 300, "b": 100} == Counter(policy.choose(request, fleet).id for _ in range(400))
    assert "priority 0, the lowest of 3 usable" == policy.why(request, fleet, fleet[0])
