"""What every folder may use: argument checks, files written whole, data that is fetched."""
