package meter

import "os"

// peak is unknown: Windows does not tell it after the end of a process.
func peak(*os.ProcessState) int64 { return 0 }
