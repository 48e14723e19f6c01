"""Stylize the pairs of one block with the teacher."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Settings, user_errors

import click

from styledistill.config import Source, Teacher
from styledistill.core.files import write_json
from styledistill.core.images import load_array
from styledistill.core.progress import announce
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, use_threads
from styledistill.metrics.stylizers import load_teachers, render
from styledistill.splits import inversions
from styledistill.splits.names import at_gamma
from styledistill.splits.pairs import Pair, block_pairs
from styledistill.splits.triplets import bring_targets
from styledistill.teacher.images import KEY
from styledistill.teacher.pair_cache import PairStore
from styledistill.teacher.round_trip import RoundTrips


@click.command()
@click.argument("table", type=Readable, required=False)
@click.option("--images", type=Folder, required=True, help="Crops of the block (images/train/0007).")
@click.option("--shape", type=click.IntRange(1), nargs=2, required=True, help="Contents and styles of the block.")
@click.option("--teacher", type=Settings(Teacher), required=True, help="The teacher section, as JSON.")
@click.option("--sources", type=Settings(dict[str, Source]), help="Sources of TABLE, as JSON.")
@click.option("--store", type=Folder, required=True, help="Finished pairs, shared by all runs (resources/pairs).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=Folder, required=True, help="Folder for c03_s05.png and the like.")
def main(
    table: Path | None,
    images: Path,
    shape: tuple[int, int],
    teacher: Teacher,
    sources: dict[str, Source] | None,
    store: Path,
    device: str,
    out: Path,
) -> None:
    """Stylize every content of one block with every style of it; pairs that the store holds are copied.

    Of finished triplets (method images), TABLE (blocks/train/0007.csv) says which they are, and their targets are
    cropped as the contents were.
    """
    with user_errors(), run_record(out / "teach.run.json", "teach", teacher.model_dump(mode="json")) as facts:
        use_threads()
        if teacher.method == "images":
            assert table is not None and sources is not None
            brought = bring_targets(table, sources, images, out)
            kept = PairStore(store, KEY)  # in which the teacher of the golden set looks
            for triplet in brought:
                kept.put(*map(load_array, triplet))
            facts["images"] = len(brought)
            places = sorted({source.title for source in sources.values()})
            write_json(out / "teacher.json", {"model": None, **KEY, "triplets": places})
            return
        where = pick_device(device)
        facts["device"] = str(where)
        pairs = block_pairs(images, *shape)
        first, *further = load_teachers(teacher, where, store, measure=True)
        # The teacher inverts each image once for all pairs that it is handed, so it gets the block together.
        render(first, pairs, out, where, chunk=len(pairs))
        for gamma, stylizer in zip(teacher.further_gammas, further, strict=True):
            render(stylizer, pairs, out / at_gamma(gamma), where, chunk=len(pairs))
        facts["images"] = len(pairs)
        write_json(out / "teacher.json", first.facts | ({"gammas": teacher.gammas} if further else {}))
        if first.round_trips is not None:
            keep_round_trips(first.round_trips, pairs, out)


def keep_round_trips(found: RoundTrips, pairs: list[Pair], out: Path) -> None:
    """Write the round-trip error of each image of the pairs, and name those whose inversion has failed."""
    files = {pair.content: pair.content_file for pair in pairs} | {pair.style: pair.style_file for pair in pairs}
    rows = [inversions.Inversion(name, found.of(load_array(file))) for name, file in sorted(files.items())]
    inversions.write(out / inversions.FILE, rows)
    for line in inversions.failed(rows, files):
        announce(line)


if __name__ == "__main__":
    main()
