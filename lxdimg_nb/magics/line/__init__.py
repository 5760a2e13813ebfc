"""The line of `%lxdimg`: words, parameter types, commands, help and completion."""
