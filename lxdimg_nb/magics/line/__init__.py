"""What is typed behind `%lxdimg`: its words, their types, the commands, help and completion."""
