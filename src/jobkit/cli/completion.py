"""`jobkit completion`: the script by which a shell asks jobkit what may follow on a command line."""

from __future__ import annotations

from typing import Final

from jobkit.runtime.errors import InvalidSetting, did_you_mean

from .completing import SHELL, WORDS
from .output import write_out

#: The words before the cursor go through the environment: whatever is typed, an older jobkit would run none of it.
_SCRIPTS: Final = {
    "bash": r"""
_jobkit() {
    local IFS=$'\x1f'
    local words="${COMP_WORDS[*]:1:COMP_CWORD}"
    IFS=$'\n'
    COMPREPLY=($(SHELL_VARIABLE=bash WORDS_VARIABLE="$words" "${1/#\~/$HOME}" 2>/dev/null))
}
complete -o default -o nosort -F _jobkit jobkit 2>/dev/null || complete -o default -F _jobkit jobkit
""",
    "zsh": r"""
#compdef jobkit
_jobkit() {
    local -a found
    local typed="${(pj:\x1f:)${(@Q)words[2,CURRENT]}}"
    found=("${(@f)$(SHELL_VARIABLE=zsh WORDS_VARIABLE="$typed" ${~words[1]} 2>/dev/null)}")
    if [[ -n "$found" ]]; then
        _describe -V jobkit found
    else
        _files
    fi
}
if [[ "$funcstack[1]" = _jobkit ]]; then
    _jobkit "$@"
else
    compdef _jobkit jobkit
fi
""",
    "fish": r"""
function __jobkit_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -lx SHELL_VARIABLE fish
    set -lx WORDS_VARIABLE (string join \x1f -- $words[2..] "$typed")
    set -l found ($words[1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$typed"
    end
end
complete --command jobkit --no-files --keep-order --arguments '(__jobkit_complete)'
""",
}


def main(shell: str) -> None:
    """Run `jobkit completion`."""
    script = _SCRIPTS.get(shell)
    if script is None:
        reason = f"give bash, zsh or fish.{did_you_mean(shell, _SCRIPTS)}"
        raise InvalidSetting(setting="SHELL", value=shell, reason=reason)
    write_out(script.lstrip().replace("SHELL_VARIABLE", SHELL).replace("WORDS_VARIABLE", WORDS))
