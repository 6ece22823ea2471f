complete --keep-order --exclusive --command msvc --arguments "(COMPLETE=fish msvc -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
