"""What every program needs: errors, files, the terminal, stops. Stands on nothing of ours."""
