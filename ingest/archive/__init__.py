"""Reading a storage archive: containers of blobs that Azure Monitor fills, filed by the hour in which records came."""
