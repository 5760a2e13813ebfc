"""Text for people: numbers in words, harmless text, tables. The one place that escapes."""
