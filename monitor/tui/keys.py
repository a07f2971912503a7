"""The one table of keys: bindings, the footer and the help are made of it."""

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["app", "pages", "table", "letters", "workers", "lanes", "detail", "task"]


@dataclass(frozen=True)
class Key:
    """What a key does, where, and how the help says so; without a text of its own it is told with another."""

    key: str
    action: str
    label: str
    place: Place
    shown: str
    help: str
    in_footer: bool = True


KEYS = (
    Key("1", "page('overview')", "Overview", "pages", "1", "overview: totals, what is wrong, what happened", False),
    Key("2", "page('workers')", "Workers", "pages", "2", "workers", False),
    Key("3", "page('lanes')", "Queues", "pages", "3", "queues, and the lanes of each model", False),
    Key("4", "page('tasks')", "Tasks", "pages", "4", "tasks: in hand, first of their lanes, dead, gone", False),
    Key("5", "page('letters')", "Dead letters", "pages", "5", "dead letters by their error", False),
    Key("6", "page('models')", "Models", "pages", "6", "models: where they are in memory", False),
    Key("7", "page('redis')", "Redis", "pages", "7", "Redis: memory, clients, latency, keys by kind", False),
    Key("slash", "filter", "Filter", "pages", "/", 'filter: word, -not, "some words", state:late'),
    Key("escape", "clear_filter", "Clear", "pages", "esc", "clears the filter, closes what is open", False),
    Key("s", "sort", "Sort", "table", "s", "sorts by the next column; S turns the order round"),
    Key("S", "turn", "Turn", "table", "S", "turns the order round", False),
    Key("t", "trouble", "Trouble only", "pages", "t", "shows trouble only, and all again"),
    Key("enter", "open", "Open", "table", "⏎", "opens the row: a worker, queue, model, task, letter"),
    Key("c", "copy", "Copy id", "table", "c", "copies the id under the cursor, or of what is open", False),
    Key("escape,enter", "dismiss", "Close", "detail", "esc", ""),
    Key("c", "copy", "Copy id", "detail", "c", ""),
    Key("r", "ask", "Read anew", "task", "r", "reads an open task anew"),
    Key("i", "app.find_task", "Find task", "pages", "i", "finds a task by its id, wherever it is", False),
    Key("up,k", "move(-1)", "Up", "table", "↑ k", "moves up", False),
    Key("down,j", "move(1)", "Down", "table", "↓ j", "moves down; tab goes to the next table", False),
    Key("pageup", "move_page(-1)", "Page up", "table", "PgUp", "a page up", False),
    Key("pagedown", "move_page(1)", "Page down", "table", "PgDn", "a page down", False),
    Key("home,g", "move(-1000000000)", "Top", "table", "g", "to the top", False),
    Key("end,G", "move(1000000000)", "End", "table", "G", "to the end", False),
    Key("space", "mark", "Mark", "letters", "space", "marks a dead letter; a marks all with the same error"),
    Key("a", "mark_alike", "Mark alike", "letters", "a", "marks all with the same error", False),
    Key("o", "older", "Older", "letters", "o", "reads older dead letters, a hundred of each lane", False),
    Key("R", "requeue", "Send again", "letters", "R", "sends the marked again; asks first"),
    Key("D", "delete", "Delete", "letters", "D", "deletes the marked; asks first"),
    Key("space", "mark", "Mark", "workers", "space", "marks a worker for what is asked next", False),
    Key("P", "wish('halt')", "Drain", "workers", "P", "on workers: drains, or resumes a drained one; asks first"),
    Key("L", "wish('load')", "Load", "workers", "L", "loads a model on the worker; asks which", False),
    Key("U", "wish('unload')", "Unload", "workers", "U", "unloads a model; asks which", False),
    Key("K", "wish('pin')", "Pin", "workers", "K", "keeps a model in memory (pins it); asks which", False),
    Key("N", "wish('unpin')", "Unpin", "workers", "N", "no longer keeps a model (unpins it); asks which", False),
    Key("X", "wish('recycle')", "Recycle", "workers", "X", "ends the process and starts it again; asks first", False),
    Key("P", "wish('halt')", "Pause", "lanes", "P", "on queues: pauses a lane, or resumes it; asks first"),
    Key("D", "wish('purge')", "Delete", "lanes", "D", "on queues: deletes what waits; asks first"),
    Key("u", "undo", "Undo", "app", "u", "puts back what was deleted last", False),
    Key("e", "export", "Export", "table", "e", "writes rows as JSON or CSV, or the screen as SVG", False),
    Key(
        "ctrl+p,colon",
        "command_palette",
        "Commands",
        "app",
        ": ^p",
        "any command, worker, lane or model by name",
        False,
    ),
    Key("p", "pause", "Pause", "app", "p", "stops reading, and goes on"),
    Key("plus", "pace(-1)", "Faster", "app", "+", "reads more often", False),
    Key("minus", "pace(1)", "Slower", "app", "-", "reads less often", False),
    Key("T", "theme", "Theme", "app", "T", "changes the colours", False),
    Key("left", "app.step(-1)", "Back", "table", "← →", "stops and steps through the last ten minutes", False),
    Key("right", "app.step(1)", "Forth", "table", "→", "steps forth", False),
    Key("left_square_bracket", "app.step_minutes(-1)", "Minute back", "table", "[ ]", "steps by a minute", False),
    Key("right_square_bracket", "app.step_minutes(1)", "Minute forth", "table", "]", "steps a minute forth", False),
    Key("question_mark", "help", "Help", "app", "?", "this help; esc closes it"),
    Key("q", "quit", "Quit", "app", "q", "quits"),
)


def bindings(place: Place) -> list[BindingType]:
    """The keys of a place, as Textual takes them."""
    return [Binding(key.key, key.action, key.label, show=key.in_footer) for key in KEYS if key.place == place]


#: Keys that the help names in the line of another.
TOLD_WITH_ANOTHER = ("S", "a", "right", "right_square_bracket")


def key_help() -> str:
    """A line a key."""
    return "\n".join(f"{key.shown:<8} {key.help}" for key in KEYS if key.help and key.key not in TOLD_WITH_ANOTHER)
