"""Measure one stylizer, from here or outside, on folders of contents and styles."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import click

from ..run.cli import SEED, Folder, Writable, needs, user_errors
from ._scoring import chosen_instruments, network_options


@click.command()
@click.argument("stylizer")
@click.option("--content", type=Folder, help="Folder of contents.")
@click.option("--style", type=Folder, help="Folder of styles.")
@click.option("--run", "results", type=Folder, help="In their place: results/<run>, for its golden set.")
@click.option("--teacher", type=Folder, help="Images of the same pairs by another model, for distances to it.")
@click.option("--size", type=click.IntRange(32, 10_000), help="Center squares of so many pixels.")
@click.option("--name", help="How the row is called. Default: of the folder or function.")
@click.option("--version", help="Version of the stylizer, for the file.")
@click.option("-o", "--out", type=Writable, required=True, help="JSON to write; --schema says what it holds.")
@click.option("--pairs", type=Writable, help="CSV to write besides: one row per pair, as `score --out` writes it.")
@click.option("--images", type=Folder, help="Folder to keep the stylized images in; it must be new.")
@network_options
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Images per forward.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the intervals.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--schema", is_flag=True, is_eager=True, expose_value=False, callback=lambda *given: _schema(*given),
              help="Print the JSON schema of the file, and end.")  # fmt: skip
def main(
    stylizer: str,
    content: Path | None,
    style: Path | None,
    results: Path | None,
    teacher: Path | None,
    size: int | None,
    name: str | None,
    version: str | None,
    out: Path,
    pairs: Path | None,
    images: Path | None,
    lpips: str,
    fid: str,
    features: str,
    seeded: bool,
    batch: int,
    seed: int,
    device: str,
) -> None:
    """Draw every content in every style with STYLIZER, score the images, and write the numbers to one file.

    STYLIZER is module:function (content and style as uint8 arrays, to an image), a folder of a student, of the ONNX
    graphs encode_style.onnx and stylize.onnx, or of images that another program made (<content>_<style>.png), or one of
    content, style and recolor. StyleID's protocol is --fid art_inception --size 512 on its 20 contents and 40 styles.
    """
    with needs():
        from ..core.contents import contents_hash
        from ..core.errors import UserError
        from ..core.files import write_json
        from ..core.provenance import package_versions
        from ..core.runtime import pick_device, seed_everything, use_threads
        from ..metrics.own_set import drawn, entrant, refuse_other_pairs
        from ..metrics.score import write_rows
        from ..metrics.score_folders import by_stem, described, score_folders
        from ..report.tables import bench
    with user_errors(), _folders(content, style, results, teacher) as (contents, styles, goal):
        use_threads()
        seed_everything(0)
        where = pick_device(device)
        found = entrant(stylizer, where)
        if isinstance(found.source, Path):
            if images:
                raise UserError("--images: the images are there already; leave it out.")
            refuse_other_pairs(found.source, contents, styles)
            made = nullcontext(found.source)
        else:
            made = drawn(found.source, where, contents, styles, size, images)
        instruments = chosen_instruments(lpips, fid, features, seeded, where)
        with made as folder:
            scores, left_out = score_folders(folder, contents, styles, goal, size, instruments, batch)
            if left_out:
                raise UserError(f"{folder}: {left_out[0]} cannot be read; nothing was written.")
            data = {
                role: {"count": len(files), "sha256": contents_hash({file.name: file for file in files})}
                for role, place in (("contents", contents), ("styles", styles), ("stylized", folder))
                for files in [list(by_stem(place, tell=False).values())]
            }
        few = min(data[role]["count"] for role in ("contents", "styles")) < bench.FEWEST
        result = bench.Result(
            stylizer={
                **found.facts,
                "name": name or found.facts["origin"],
                "version": version or found.facts["version"],
            },
            data={**data, "size": size},
            networks=instruments.labels,
            seeded=instruments.seeded,
            intervals=bench.intervals_said(seed, few),
            measures=bench.measured(scores.rows, scores.summary, seed),
            versions=package_versions(),
        )
        click.echo(described(scores))
        write_json(out, result.model_dump(mode="json"))
        if pairs:
            write_rows(scores.rows, pairs)


@contextmanager
def _folders(
    content: Path | None, style: Path | None, results: Path | None, teacher: Path | None
) -> Iterator[tuple[Path, Path, Path | None]]:
    """Folders of contents, styles and, where there are any, the teacher's images: as given, or a run's golden set."""
    from ..core.errors import UserError

    if (content is None, style is None) != ((results is not None),) * 2:
        raise UserError("give both --content and --style, or --run.")
    if results is None:
        yield content, style, teacher
        return
    golden = {"content": "images/golden/c*.png", "style": "images/golden/s*.png", "teacher": "golden/teacher/*.png"}
    with TemporaryDirectory() as temporary:
        for role, pattern in golden.items():
            files = sorted(results.glob(pattern))
            if not files:
                raise UserError(f"{results}: no {pattern} there. Give the folder of a finished run.")
            (Path(temporary) / role).mkdir()
            for file in files:
                copyfile(file, Path(temporary) / role / file.name)
        yield Path(temporary) / "content", Path(temporary) / "style", teacher or Path(temporary) / "teacher"


def _schema(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        with needs():
            from ..report.tables.bench import Result
        click.echo(json.dumps(Result.model_json_schema(), indent=1))
        ctx.exit()
