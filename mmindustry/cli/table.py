"""What commands there are, and where each lives; nothing is imported to list them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One word after `mmindustry`.

    `target` is `module:attribute`. A function there is a command; a `typer.Typer` is a noun with
    verbs. It is imported when the word is used.
    """

    name: str
    target: str
    help: str


COMMANDS: tuple[Entry, ...] = (
    Entry("bench", "mmindustry.cli.bench:app", "Compare fusions on the simulated plant."),
    Entry("bundles", "mmindustry.cli.bundles:app", "List, check and show bundles."),
    Entry("compress", "mmindustry.cli.compress:compress", "Make a bundle smaller, by a gate."),
    Entry("config", "mmindustry.cli.config:app", "Write, check and show settings."),
    Entry("dashboard", "mmindustry.cli.run:dashboard", "Show the plant to people."),
    Entry("db", "mmindustry.cli.db:app", "Upgrade, check and trim the database."),
    Entry("demo", "mmindustry.cli.demo:demo", "Show a whole simulated plant here."),
    Entry("dlq", "mmindustry.cli.dlq:app", "List, show and replay dead letters."),
    Entry("doctor", "mmindustry.cli.doctor:doctor", "Check machine, settings and services."),
    Entry("evaluate", "mmindustry.cli.evaluate:app", "Measure what the models are worth."),
    Entry("explain", "mmindustry.cli.explain:explain", "Say why a window was judged as it was."),
    Entry("feed", "mmindustry.cli.feed:feed", "Play recorded files into the stream."),
    Entry("find", "mmindustry.cli.find:find", "Find windows by text, or like a window."),
    Entry("gateway", "mmindustry.cli.gateway:gateway", "Take events over HTTP."),
    Entry("handbook", "mmindustry.cli.handbook:app", "Write the generated reference pages."),
    Entry("ledger", "mmindustry.cli.ledger:ledger", "Print what came and what became of it."),
    Entry("logbook", "mmindustry.cli.logbook:app", "Quote and group an asset's log."),
    Entry("models", "mmindustry.cli.models:app", "List encoders, fusions and presets."),
    Entry("notifier", "mmindustry.cli.run:notifier", "Send alarms to people."),
    Entry("plant", "mmindustry.cli.plant:app", "Import and list the plant's equipment."),
    Entry("profile", "mmindustry.cli.profile:app", "Learn and list what is normal for assets."),
    Entry("profiler", "mmindustry.cli.run:profiler", "Learn assets' normal as it comes."),
    Entry("run", "mmindustry.cli.run:run", "Run everything as one process tree."),
    Entry("schemas", "mmindustry.cli.schemas:app", "Write the contract with the plant."),
    Entry("simulate", "mmindustry.cli.simulate:simulate", "Play a simulated plant."),
    Entry("task", "mmindustry.cli.task:app", "Tell text, sound or pictures apart, find defects."),
    Entry("topics", "mmindustry.cli.topics:app", "Make, list and read the topics."),
    Entry("train", "mmindustry.cli.train:train", "Train a bundle, print what it is worth."),
    Entry("version", "mmindustry.cli.version:version", "Say what runs here."),
    Entry("worker", "mmindustry.cli.run:worker", "Judge what the stream brings."),
)
