"""Ask/tell optimisers."""
