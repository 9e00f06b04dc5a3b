module preparedb

go 1.24.0

tool filippo.io/torchwood/cmd/litewitness

require filippo.io/torchwood v0.9.0

require (
	golang.org/x/crypto v0.46.0
	golang.org/x/mod v0.31.0
	golang.org/x/net v0.47.0
	golang.org/x/sync v0.19.0
	zombiezen.com/go/sqlite v1.4.2
	github.com/dustin/go-humanize v1.0.1
	github.com/google/uuid v1.6.0
	github.com/mattn/go-isatty v0.0.20
	github.com/ncruces/go-strftime v0.1.9
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec
	golang.org/x/exp v0.0.0-20250408133849-7e4ce0ab07d0
	golang.org/x/sys v0.39.0
	golang.org/x/text v0.32.0
	modernc.org/libc v1.65.7
	modernc.org/mathutil v1.7.1
	modernc.org/memory v1.11.0
	modernc.org/sqlite v1.37.1
)
