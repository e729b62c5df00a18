"""The disk: files that are whole or absent, their locks, and what differs between platforms."""
