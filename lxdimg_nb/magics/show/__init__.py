"""What verbs return beside images and inventories, and how it is shown."""
