"""What tests of more than one room share: small stores, pictures, networks and limits."""
