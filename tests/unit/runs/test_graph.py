"""From a plan to nodes and edges, and from their states to what may start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from engine.model.plan import Plan, PlanStep
from engine.model.records import EdgeKind, Mode, NodeKind, Run
from engine.model.states import RunState, StepState
from engine.runs.graph import Dag, opening_nodes, plan_nodes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run("r", "s", RunState.DRAFT, Mode.PLANNING_CONTROL, "task", {}, NOW)


def plan_of(**depends: str) -> Plan:
    return Plan(
        title="t",
        steps=tuple(
            PlanStep(id=name, title=name, agent="engineer", depends_on=tuple(needs.split()))
            for name, needs in depends.items()
        ),
    )


def dag_of(plan: Plan) -> tuple[Dag, dict[str, str]]:
    nodes, edges = plan_nodes(RUN, plan, [], 0)
    return Dag(nodes, edges), {node.step: node.id for node in nodes}


def ready(dag: Dag) -> list[str]:
    found = []
    while node := dag.take_ready():
        found.append(node.step)
    return found


def finish(dag: Dag, node_id: str, state: StepState = StepState.COMPLETED) -> None:
    dag.update(replace(dag.nodes[node_id], state=state))


def test_a_diamond_starts_in_order_and_ends_at_the_terminator() -> None:
    dag, ids = dag_of(plan_of(data="", left="data", right="data", compare="left right"))
    assert ready(dag) == ["data"]
    finish(dag, ids["data"])
    assert ready(dag) == ["left", "right"]
    finish(dag, ids["right"])
    assert ready(dag) == []
    finish(dag, ids["left"])
    assert ready(dag) == ["compare"]
    finish(dag, ids["compare"])
    assert ready(dag) == ["terminator"]


def test_a_failed_step_dooms_what_depends_on_it_and_nothing_else() -> None:
    dag, ids = dag_of(plan_of(data="", left="data", right="data", compare="left right", aside="data"))
    assert [node.step for node in dag.doomed(ids["left"])] == ["compare", "terminator"]


def test_edges_say_whether_a_step_follows_alone_or_beside_others() -> None:
    nodes, edges = plan_nodes(RUN, plan_of(a="", b="a", c="b", d="b"), [], 0)
    names = {node.id: node.step for node in nodes}
    kinds = {(names[edge.from_node], names[edge.to_node]): edge.kind for edge in edges}
    assert kinds[("a", "b")] is EdgeKind.SEQUENTIAL
    assert kinds[("b", "c")] is EdgeKind.PARALLEL
    assert kinds[("c", "terminator")] is EdgeKind.PARALLEL


def test_the_first_steps_wait_for_the_approval() -> None:
    opening, _ = opening_nodes(RUN, approval=True)
    nodes, edges = plan_nodes(RUN, plan_of(a="", b=""), [opening[1]], 2)
    assert {edge.to_node for edge in edges if edge.from_node == opening[1].id} == {nodes[0].id, nodes[1].id}
    assert [node.kind for node in opening] == [NodeKind.PLANNING, NodeKind.APPROVAL]


def test_a_dag_opened_in_the_middle_goes_on_where_it_stood() -> None:
    nodes, edges = plan_nodes(RUN, plan_of(a="", b="a", c="a"), [], 0)
    seen = [replace(node, state=StepState.COMPLETED) if node.step in ("a", "b") else node for node in nodes]
    assert ready(Dag(seen, edges)) == ["c"]


@given(st.data())
def test_every_step_starts_once_and_after_all_that_it_needs(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    depends = {
        f"s{n}": " ".join(f"s{m}" for m in range(n) if data.draw(st.booleans(), label=f"s{n} needs s{m}"))
        for n in range(count)
    }
    plan = plan_of(**depends)
    dag, _ = dag_of(plan)
    done: list[str] = []
    open_now: list[str] = []
    while True:
        while node := dag.take_ready():
            assert all(need in done for need in depends.get(node.step, "").split())
            open_now.append(node.id)
        if not open_now:
            break
        chosen = open_now.pop(data.draw(st.integers(0, len(open_now) - 1)))
        done.append(dag.nodes[chosen].step)
        finish(dag, chosen)
    assert sorted(done) == sorted([*depends, "terminator"])
    assert done[-1] == "terminator"
