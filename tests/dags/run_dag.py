"""Run a DAG to its end in this process, once per configuration; print what became of the tasks.

python -m tests.dags.run_dag DAG_ID CONF [CONF …]
"""

import json
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def main(dag_id: str, *confs: str) -> None:
    # As Airflow does: modules of both folders are imported by their bare names.
    sys.path[:0] = [str(PROJECT / "dags"), str(PROJECT / "plugins")]
    from airflow.dag_processing.dagbag import DagBag

    runs = []
    for conf in confs:
        dag = DagBag(dag_folder=str(PROJECT / "dags"), load_op_links=False).dags[dag_id]
        run = dag.test(run_conf=json.loads(conf))
        states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
        runs.append({"state": str(run.state), "tasks": states})
    sys.stdout.write(f"\n{json.dumps(runs)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
