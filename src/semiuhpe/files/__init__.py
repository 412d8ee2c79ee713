"""Files that survive a kill: written whole or not at all, journals, locks, safe names, and signals heeded where work can stop."""
