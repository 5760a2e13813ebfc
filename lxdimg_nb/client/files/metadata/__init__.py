"""Metadata of images that are made here: for root file systems and disks that have none."""
