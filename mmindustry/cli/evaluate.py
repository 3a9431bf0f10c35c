"""`mmindustry evaluate ...`: one verb an evaluation, each in a module of its own."""

import typer

from mmindustry.cli.evaluate_bldc import bldc
from mmindustry.cli.evaluate_bsdata import bsdata
from mmindustry.cli.evaluate_bundle import bundle
from mmindustry.cli.evaluate_cookie import cookie
from mmindustry.cli.evaluate_fleet import fleet
from mmindustry.cli.evaluate_heatmap import heatmap
from mmindustry.cli.evaluate_maintnorm import maintnorm
from mmindustry.cli.evaluate_missing import missing
from mmindustry.cli.evaluate_nestor import nestor
from mmindustry.cli.evaluate_retrieval import retrieval

app = typer.Typer(help="Measure what the models are worth, on simulated and on real data.")


@app.callback()
def evaluate() -> None:
    """Measure what the models are worth, on simulated and on real data."""


app.command("bldc")(bldc)
app.command("bsdata")(bsdata)
app.command("bundle")(bundle)
app.command("cookie")(cookie)
app.command("fleet")(fleet)
app.command("heatmap")(heatmap)
app.command("maintnorm")(maintnorm)
app.command("missing")(missing)
app.command("nestor")(nestor)
app.command("retrieval")(retrieval)
