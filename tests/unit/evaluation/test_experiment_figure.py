from PIL import Image

from ml.evaluation.experiment_figure import draw_experiments
from tests.unit.evaluation.experiments import make_table


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
