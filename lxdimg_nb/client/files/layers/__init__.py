"""Container images as `docker save` and OCI tools write them: found, chosen, and merged to one root file system."""
