"""What tools/rig is made of: S3 requests, ports, processes, server kinds, the rig itself. Standard library only."""
