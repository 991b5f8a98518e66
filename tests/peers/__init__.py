"""Other people's frameworks as clients of the gateway, in an environment of their own, which `make test` makes."""
