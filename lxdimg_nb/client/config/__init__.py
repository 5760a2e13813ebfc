"""The configuration files of lxc and incus: remotes, certificates, the client's own identity."""
