"""What this machine has to give, and who takes it: cores, quotas, load, other runs."""
