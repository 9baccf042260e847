"""The table of commands: name, module, one line of help. It imports nothing, so that ``mlstack --help`` starts at once."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Every day": {
        "up": ("up", "Bring the platform up, or back to what the configuration says."),
        "status": ("status", "Show what is running, and where."),
        "run": ("run", "Run a sample, such as 'hello' or 'train-iris'."),
        "credentials": ("credentials", "Show the generated logins."),
        "stop": ("stop", "Stop the platform and keep everything."),
        "start": ("start", "Start a stopped platform again, also after a reboot."),
        "down": ("down", "Remove the platform from this machine."),
    },
    "Who may use it": {
        "users": ("users", "List, add and remove users; passwords and tokens."),
        "profiles": ("profiles", "List, add, share and remove profiles: namespaces of users."),
    },
    "Access": {
        "connect": ("connect", "Set up a client of an endpoint: variables, Python, curl."),
        "auth": ("auth", "Say why the gateway lets a request in, or not."),
        "certs": ("certs", "Show, renew and trust the platform's certificates."),
    },
    "When something is wrong": {
        "doctor": ("doctor", "Check the machine and the platform; say what to do."),
        "logs": ("logs", "Show the log of a stack's programs."),
        "test": ("test", "Check that the running platform really works."),
        "verify": ("verify", "Attack the platform's own login and say what got through."),
        "support-bundle": ("support_bundle", "Collect what a bug report needs, without secrets."),
    },
    "Change what is installed": {
        "plan": ("plan", "Show what 'up' would do, and why."),
        "diff": ("diff", "Show how the platform differs from the configuration."),
        "config": ("config", "Show and check the configuration."),
        "stack": ("stack", "List the stacks and their parameters."),
        "addon": ("addon", "List, enable and disable addons."),
        "images": ("images", "List, build, load and clean up container images."),
    },
    "Other": {
        "version": ("version", "Show versions."),
        "migrate": ("migrate", "Print TrainJobs for jobs of the first training operator."),
        "completion": ("completion", "Print the completion script of a shell."),
        "dev": ("dev", "Make and maintain stacks (for developers)."),
    },
}
OPTIONS = (
    ("-f, --file FILE", "Configuration file. Default: mlstack.yaml, if there is one."),
    ("--name NAME", "Instance to work on. Default: mlstack."),
    ("--json", "Machine-readable output, one JSON object a line."),
    ("--plain", "Progress as plain lines, also in a terminal."),
    ("-v, --verbose", "More detail: every step, logs of builds."),
    ("--version", "Show the version and exit."),
    ("-h, --help", "Show this help and exit."),
)


def modules() -> dict[str, str]:
    """Command -> module below ``mlstack.cli`` that has it as ``command``."""
    return {name: module for section in SECTIONS.values() for name, (module, _) in section.items()}


def help_text() -> str:
    """What ``mlstack --help`` prints."""
    lines = [
        "Usage: mlstack [OPTIONS] COMMAND [ARGS]...",
        "",
        "  A machine-learning platform on your own machine, in one command:",
        "",
        "    mlstack up            make it and wait until it is ready",
        "    mlstack run hello     run something on it",
        "    mlstack down          remove it again",
    ]
    for title, section in SECTIONS.items():
        lines += ["", f"{title}:", *(f"  {name:<16}{text}" for name, (_, text) in section.items())]
    lines += ["", "Options:", *(f"  {name:<18}{text}" for name, text in OPTIONS)]
    lines += ["", "'mlstack COMMAND --help' says more about a command."]
    return "\n".join(lines)
