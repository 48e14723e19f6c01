"""Compare models pair by pair, with the preprint's claims, and with published scores."""

from pathlib import Path

from styledistill.run.cli import SEED, Folder, Readable, Settings, user_errors

import click
import pandas as pd

from styledistill.config import Loss
from styledistill.core.provenance import run_record
from styledistill.report.tables import claims, differences, protocol, published, stored


@click.command()
@click.argument("scores", type=Readable, nargs=-1, required=True)
@click.option("--losses", type=Settings(dict[str, Loss]), required=True, help="The losses, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the bootstrap.")
@click.option("--metrics", type=Readable, required=True, help="Scores of all models (tables/metrics.json).")
@click.option("--benchmark", type=Readable, required=True, help="Sizes of all models (tables/benchmark.csv).")
@click.option("--golden", type=Readable, help="Golden table: write published.* too, for the protocol is StyleID's.")
@click.option("--out", type=Folder, required=True, help="Folder for differences.* and claims.* (csv, json, md, tex).")
def main(
    scores: tuple[Path, ...],
    losses: dict[str, dict[str, float]],
    seed: int,
    metrics: Path,
    benchmark: Path,
    golden: Path | None,
    out: Path,
) -> None:
    """Compare the models of SCORES (metrics/<model>.csv in the order of the tables)."""
    with user_errors(), run_record(out / "compare.run.json", "compare", {"losses": losses}, seed):
        sets = differences.paired_scores(scores, seed)
        table = differences.differences(sets)
        stored.write(differences.document(table), out / "differences")
        answers, against = claims.answer(losses, sets, pd.read_csv(benchmark)), claims.evidence(losses, sets)
        stored.write(claims.document(answers, against), out / "claims")
        if golden is not None:
            table = published.published_table(stored.read(metrics).data, *protocol.evaluation_images(golden))
            stored.write(published.document(table), out / "published")


if __name__ == "__main__":
    main()
