"""Dataset to production: train, vote, export, prove, and promote or refuse."""

from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import (
    AssetOrTimeSchedule,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
    task_group,
)
from vigie_assets import RETRAIN
from vigie_schedule import at
from vigie_tasks import (
    PARAMS,
    RETRIES,
    TRAINING,
    Json,
    actor,
    link_to_mlflow,
    log,
    on_run,
    run_key,
    run_params,
    stage,
    threads_of_one,
)

from ml.settings import load_settings

_MEMBERS_AT_ONCE = 2
_APPROVE, _REFUSE = "Approve", "Refuse"


@stage()
def start() -> list[str]:
    """Fix dataset, parameters and incumbent; what nobody started by hand starts from that."""
    from ml.journey.cause import cause_of
    from ml.journey.train import start_run

    context = get_current_context()
    run_type = context["dag_run"].run_type
    run_type = str(getattr(run_type, "value", run_type))  # an enum whose text names its class too
    events = [event for found in context["triggering_asset_events"].values() for event in found]
    cause = cause_of(
        run_type,
        context["params"]["reason"],
        [event.extra for event in events],
        started_by=actor(),
    )
    settings = load_settings()
    info = start_run(
        settings.workspace,
        run_params(settings),
        context["params"]["dataset_id"],
        run_key(),
        cause,
        warm_start=run_type != "manual",
    )
    link_to_mlflow(info.mlflow_url)
    return info.members


@stage(
    **TRAINING,
    max_active_tis_per_dag=_MEMBERS_AT_ONCE,
    map_index_template="{{ task.op_args[0] }}",
)
def train(member: str) -> Json:
    """Train one member."""
    from ml.journey.train import train_member

    result = on_run(train_member, member, threads=threads_of_one(_MEMBERS_AT_ONCE))
    return result.model_dump(mode="json", include={"member", "epochs", "seconds", "validation"})


@stage(map_index_template="{{ task.op_args[0] }}")
def export(member: str) -> Json:
    """Convert one member to ONNX and quantize it, or keep it in fp32 with the reason."""
    from ml.journey.export import export_member

    return on_run(export_member, member).model_dump(mode="json")


@stage(**TRAINING)
def paper_split() -> list[Json]:
    """Train on a random image split too, to report beside the honest one."""
    from ml.journey.paper import compare_splits

    return [item.model_dump(mode="json") for item in on_run(compare_splits)]


@stage()
def ensemble() -> Json:
    """Fit vote weights, temperature and thresholds on validation data."""
    from ml.journey.ensemble import fit

    return on_run(fit).model_dump(mode="json", include={"members", "temperature", "policy"})


@stage()
def seal() -> Json:
    """Compose the members into one graph and seal the bundle."""
    from ml.journey.export import seal

    return on_run(seal).model_dump(mode="json")


@stage()
def evaluate() -> Json:
    """Measure the sealed bundle on the test split through the serving code path."""
    from ml.journey.evaluate import evaluate

    return on_run(evaluate).model_dump(mode="json")


@stage()
def bless() -> Json:
    """Start the real server on the bundle and replay golden and hostile requests."""
    from ml.journey.bless import bless

    return on_run(bless).model_dump(mode="json")


@stage()
def gate() -> Json:
    """Decide on confidence bounds; missing evidence refuses."""
    from ml.journey.gate import gate

    return on_run(gate).model_dump(mode="json")


@stage()
def register() -> Json:
    """Register the version as challenger."""
    from ml.journey.promote import register

    return on_run(register).model_dump(mode="json")


@stage()
def evidence() -> Json:
    """What a person who is asked will have before them."""
    from ml.journey.approval import request_approval

    return on_run(request_approval).model_dump(mode="json")


@task.branch
def verdict(decision: Json, request: Json) -> str:
    """Go on to `promote`, to `ask` a person, or to `refused`."""
    if not decision["promote"]:
        return "refused"
    return "ask" if request["needed"] else "promote"


@stage()
def answer(said: Json) -> list[str]:
    """Write down who approved or refused; no answer in time is a refusal."""
    from ml.journey.approval import record_approval, record_silence
    from ml.journey.promote import register

    person, version = said["responded_by_user"], on_run(register)
    if person is None:
        approval = on_run(record_silence, version, by="airflow:nobody in time")
    else:
        approval = on_run(
            record_approval,
            version,
            approved=said["chosen_options"] == [_APPROVE],
            by=f"airflow:{person['name']}",
            reason=said["params_input"].get("reason") or "",
        )
    return [] if approval.approved else [f"{approval.by}: {approval.reason or 'no reason given'}"]


@task.branch
def approved(refusals: list[str]) -> str:
    """Go on to `promote`, or to `refused`."""
    return "refused" if refusals else "promote"


@stage(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def promote() -> Json:
    """Move `production` to the new version."""
    from ml.journey.promote import promote

    return on_run(promote, actor=actor()).model_dump(mode="json")


@stage(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def refused(decision: Json, refusals: list[str] | None) -> list[str]:
    """Say why the model was refused; production stays as it is."""
    reasons = [*decision["reasons"], *(refusals or [])]
    for reason in reasons:
        log.warning("Refused: %s", reason)
    return reasons


@dag(
    schedule=AssetOrTimeSchedule(timetable=at("0 3 * * 0"), assets=RETRAIN),
    max_active_runs=1,
    catchup=False,
    params={
        **PARAMS,
        "dataset_id": Param(
            None, type=["null", "string"], description="A frozen dataset; empty: the newest."
        ),
        "reason": Param("", type="string", description="Why; stands in model card and ledger."),
    },
    tags=["vigie"],
    doc_md=__doc__,
)
def vigie_train() -> None:
    """Weekly, and when monitoring asks for it."""

    @task_group
    def members(member: str) -> None:
        train(member) >> export(member)

    group = members.expand(member=start())
    trained, exported = (group.dag.get_task(f"members.{name}") for name in ("train", "export"))
    fitted, compared, decision = ensemble(), paper_split(), gate()
    trained >> [fitted, compared]
    [fitted, exported] >> (sealed := seal())
    [sealed, compared] >> (evaluated := evaluate())
    request = evidence()
    ask = HITLOperator(
        task_id="ask",
        subject="{{ ti.xcom_pull(task_ids='evidence')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='evidence')['body'] }}",
        options=[_APPROVE, _REFUSE],
        # Whoever does not answer in time refuses.
        defaults=_REFUSE,
        params={"reason": Param("", type="string", description="Why; stands in the ledger.")},
        response_timeout=timedelta(hours=load_settings().params().gates.approval_hours),
        **RETRIES,
    )
    refusals = answer(ask.output)
    second = approved(refusals)
    promoted, declined = promote(), refused(decision, refusals)
    evaluated >> bless() >> decision >> register() >> request
    verdict(decision, request) >> [promoted, declined, ask]
    second >> [promoted, declined]


vigie_train()
