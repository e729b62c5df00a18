"""Many runs: lines to folders, what is still to do, and the processes or cluster that do it."""
