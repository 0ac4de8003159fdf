"""The rounds of a sweep as jobs of a Hydra launcher: a Hydra program whose task is one round on one node.

    python -m ocrprof.measure.sweep_jobs --multirun hydra/launcher=submitit_slurm job=DIR/job.json round=1,2,3

`ocrprof sweep-workers --launcher` writes the job and starts this; it can be started by hand as well, with whatever
`hydra.launcher.*` a cluster wants.
"""

from pathlib import Path
from typing import Any

APP_NAME = "ocrprof_sweep"


def main() -> None:
    """Runs Hydra on its command line; a job's return value is that of `run_round`."""
    import hydra
    from hydra.core.config_store import ConfigStore

    from ocrprof.measure.sweep_job import read_job, run_round

    ConfigStore.instance().store(name=APP_NAME, node={"job": "???", "round": 1})

    def one_round(cfg: Any) -> dict[str, Any]:  # Any: a DictConfig; JSON values
        return run_round(read_job(Path(cfg.job), number=int(cfg.round)))

    hydra.main(version_base="1.3", config_path=None, config_name=APP_NAME)(one_round)()


if __name__ == "__main__":
    main()
