from PIL import Image

from ml.evaluation.experiment_figure import draw_experiments
from tests.unit.evaluation.experiments import make_table, make_table_with_failure


def test_the_figure_grows_with_its_rows(tmp_path):
    table = make_table()
    alone = table.model_copy(update={"rows": table.part("experiments")})
    with (
        Image.open(draw_experiments(table, tmp_path / "all.png")) as whole,
        Image.open(draw_experiments(alone, tmp_path / "alone.png")) as part,
    ):
        assert whole.width == part.width
        assert whole.height > part.height


def test_a_metric_that_nothing_could_tell_is_drawn_as_such(tmp_path):
    table = make_table()
    row = table.rows[0]
    blind = row.metrics.model_copy(update={"critical_sensitivity": None, "critical_auc": None})
    rows = [row.model_copy(update={"metrics": blind}), *table.rows[1:]]
    path = draw_experiments(table.model_copy(update={"rows": rows}), tmp_path / "blind.png")
    full = draw_experiments(table, tmp_path / "full.png")
    assert path.read_bytes() != full.read_bytes()


def test_a_failed_model_keeps_its_line(tmp_path):
    """Its height stays; where its intervals were stands the reason."""
    failed = make_table_with_failure("scratch")
    without = failed.model_copy(update={"rows": failed.measured})
    images = [
        Image.open(draw_experiments(table, tmp_path / f"{number}.png")).convert("L")
        for number, table in enumerate((make_table(), failed, without))
    ]
    whole, named, shorter = images
    assert whole.size == named.size
    assert shorter.height < named.height
    assert whole.tobytes() != named.tobytes()
