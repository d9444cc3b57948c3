"""Reading an Azure event hub: address, positions, buffer, supervision; `hub` alone imports the Azure client."""
