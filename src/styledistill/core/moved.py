"""Where modules went that have moved: an import of an old name says it in one line.

A finder behind all others, so it is asked only for what nobody else finds.
"""

from __future__ import annotations

import sys

MOVED = {
    "styledistill.stylizers": "styledistill.metrics.stylizers",
    "styledistill.efficientnet": "styledistill.perceptual.efficientnet",
    "styledistill.cli": "styledistill.run.cli",
    "styledistill.demo": "styledistill.share",
    "styledistill.evaluation": "styledistill.splits.pairs",
    "styledistill.fingerprint": "styledistill.core.fingerprint",
    "styledistill.loss_terms": "styledistill.config.terms",
    "styledistill.occupied": "styledistill.run.lock",
    "styledistill.publish": "styledistill.share",
    "styledistill.repair": "styledistill.run.repair",
    "styledistill.verification": "styledistill.run.verify",
    "styledistill.core.lifeline": "styledistill.run.watchdog",
    "styledistill.core.record": "styledistill.core.provenance",
    "styledistill.downloads.check": "styledistill.downloads.checks",
    "styledistill.downloads.content": "styledistill.downloads.checks",
    "styledistill.downloads.datasets": "styledistill.config.datasets",
    "styledistill.downloads.fetch": "styledistill.downloads.http",
    "styledistill.downloads.models": "styledistill.downloads.hub_models",
    "styledistill.downloads.needed": "styledistill.run.requirements",
    "styledistill.downloads.ranges": "styledistill.downloads.http_ranges",
    "styledistill.downloads.snapshots": "styledistill.downloads.hub_cache",
    "styledistill.metrics.alone": "styledistill.metrics.benchmark",
    "styledistill.metrics.cost": "styledistill.metrics.benchmark_model",
    "styledistill.metrics.folders": "styledistill.metrics.score_folders",
    "styledistill.metrics.lpips": "styledistill.perceptual",
    "styledistill.metrics.picture": "styledistill.metrics.image_measures",
    "styledistill.plan": "styledistill.splits, styledistill.run and styledistill.report.tables.protocol",
    "styledistill.report.ablation": "styledistill.report.tables.ablation and styledistill.report.figures.ablation",
    "styledistill.report.cautions": "styledistill.report.page.warnings",
    "styledistill.report.cells": "styledistill.report.page.html_tables",
    "styledistill.report.charts": "styledistill.report.figures.charts",
    "styledistill.report.claims": "styledistill.report.tables.claims",
    "styledistill.report.differences": "styledistill.report.tables.differences",
    "styledistill.report.distances": "styledistill.report.figures.distances",
    "styledistill.report.inline": "styledistill.report.page.data_uri",
    "styledistill.report.intervals": "styledistill.report.tables.bootstrap",
    "styledistill.report.layout": "styledistill.report.tables.formats",
    "styledistill.report.published": "styledistill.report.tables.published",
    "styledistill.report.records": "styledistill.core.provenance",
    "styledistill.report.sheets": "styledistill.report.figures.sheets",
    "styledistill.report.summary": "styledistill.run.summary",
    "styledistill.sources.archives": "styledistill.sources.archive",
    "styledistill.sources.buildings": "styledistill.procedural.scenes.buildings",
    "styledistill.sources.canvas": "styledistill.procedural.scenes.canvas",
    "styledistill.sources.closeups": "styledistill.procedural.scenes.closeups",
    "styledistill.sources.drawings": "styledistill.procedural.draw",
    "styledistill.sources.drawn": "styledistill.procedural.styles.strokes",
    "styledistill.sources.easel": "styledistill.procedural.styles.easel",
    "styledistill.sources.faces": "styledistill.procedural.faces.face",
    "styledistill.sources.features": "styledistill.procedural.faces.features",
    "styledistill.sources.fields": "styledistill.procedural.styles.fields",
    "styledistill.sources.figures": "styledistill.procedural.scenes.people",
    "styledistill.sources.formed": "styledistill.procedural.styles.patterns",
    "styledistill.sources.hair": "styledistill.procedural.faces.hair",
    "styledistill.sources.heads": "styledistill.procedural.faces.heads",
    "styledistill.sources.indoors": "styledistill.procedural.scenes.indoors",
    "styledistill.sources.land": "styledistill.procedural.scenes.land",
    "styledistill.sources.light": "styledistill.procedural.scenes.light",
    "styledistill.sources.members": "styledistill.sources.archive_formats",
    "styledistill.sources.outdoors": "styledistill.procedural.scenes.outdoors",
    "styledistill.sources.paints": "styledistill.procedural.scenes.paints",
    "styledistill.sources.palettes": "styledistill.procedural.styles.palettes",
    "styledistill.sources.photographs": "styledistill.sources.skimage",
    "styledistill.sources.plants": "styledistill.procedural.scenes.plants",
    "styledistill.sources.pool": "styledistill.embedded.pool",
    "styledistill.sources.scenes": "styledistill.procedural.scenes.scene",
    "styledistill.sources.shapes": "styledistill.procedural.scenes.shapes",
    "styledistill.sources.store": "styledistill.sources.archive_store",
    "styledistill.sources.street": "styledistill.procedural.scenes.street",
    "styledistill.sources.styles": "styledistill.procedural.styles.style",
    "styledistill.sources.tabletop": "styledistill.procedural.scenes.tabletop",
    "styledistill.student.apply": "styledistill.student.stylize_files",
    "styledistill.student.export": "styledistill.student.onnx_export",
    "styledistill.student.launch": "styledistill.student.distributed",
    "styledistill.student.pairing": "styledistill.student.stylize_jobs",
    "styledistill.student.precision": "styledistill.student.onnx_precision",
    "styledistill.student.train": "styledistill.student.training",
    "styledistill.teacher.block": "styledistill.teacher.engine",
    "styledistill.teacher.deviation": "styledistill.teacher.logit_deviation",
    "styledistill.teacher.store": "styledistill.teacher.pair_cache",
    "styledistill.teacher.tiny": "styledistill.embedded.tiny_teacher",
}
# What stood in modules that are packages now. Only of a package does Python ask a finder for a name that it lacks.
DEFINED = {
    "styledistill.report.page": {
        "styledistill.report.page.page": "SECTIONS Glance glance page_context render write_page",
    },
    "styledistill.report.tables": {
        "styledistill.report.tables.formats": "latex markdown",
        "styledistill.report.tables.metrics": "MEASURES NETWORKS Measure best_row gather notes",
    },
}


class Signpost:
    """Raises ModuleNotFoundError with the new place of what has moved; finds nothing."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Importlib asks this for a module that it does not find elsewhere."""
        if name in MOVED:
            # Without the error's own `name`: with it, `from package import module` would take it for a missing name.
            raise ModuleNotFoundError(f"{name} has moved: it is {MOVED[name]} now (CHANGELOG.md)")
        package, _, defined = name.rpartition(".")
        for module, names in DEFINED.get(package, {}).items():
            if defined in names.split():
                raise ModuleNotFoundError(f"{name} has moved: it is in {module} now (CHANGELOG.md)")


def put_up() -> None:
    """From now on old names say where they went."""
    if Signpost not in sys.meta_path:
        sys.meta_path.append(Signpost)
