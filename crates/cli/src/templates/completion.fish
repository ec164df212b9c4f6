###-begin-{word}-completion-###
function __{word}_complete
    set -lx COMP_LINE (commandline -cp)
    set -lx COMP_POINT (string length -- $COMP_LINE)
    set -lx COMP_CWORD (count (commandline -opc))
    {word} completion -- (commandline -opc) 2>/dev/null
end
complete -c {word} -a '(__{word}_complete)'
###-end-{word}-completion-###
