###-begin-{word}-completion-###
# For bash and zsh. Installed by `{word} completion install`, or: {word} completion >> ~/.bashrc
if type complete >/dev/null 2>&1; then
  _{word}_completion() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_CWORD="$COMP_CWORD" COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \
      {word} completion -- "${COMP_WORDS[@]}" 2>/dev/null))
  }
  complete -o default -F _{word}_completion {word}
elif type compctl >/dev/null 2>&1; then
  _{word}_completion() {
    local cword line point words
    read -Ac words
    read -cn cword
    read -l line
    read -ln point
    reply=(${(f)"$(COMP_CWORD="$((cword - 1))" COMP_LINE="$line" COMP_POINT="$point" \
      {word} completion -- "${words[@]}" 2>/dev/null)"})
  }
  compctl -K _{word}_completion + -f {word}
fi
###-end-{word}-completion-###
