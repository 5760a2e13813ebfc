"""What verbs return apart from images and inventories, and how it is shown."""
