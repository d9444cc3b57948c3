"""Reading files of audit records: find them, decompress them, cut them into messages, all in bounded memory."""
