//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// chart is a plot of lines.
type chart struct {
	file, title, x, y string
	logX, logY        bool
	yMax              float64 // 0: what the lines need, and room for the legend
	lines             []chartLine
}

type chartLine struct {
	title   string
	points  plotter.XYs
	smooth  bool // no marks at the points
	spreads []quartiles
}

// plots draws all charts and returns the names of the files.
func (b *bench) plots(dir string) ([]string, error) {
	charts := []chart{
		b.sweepChart(heapScenario, chart{file: "heap.svg", title: "Latency by touched heap", x: "GiB", y: "µs"}),
		b.sweepChart(filesScenario, chart{file: "files.svg", title: "Latency by open files", x: "open files", y: "µs", logX: true, logY: true}),
		b.sweepChart(pipesScenario, chart{file: "pipes.svg", title: "Latency by open files, three pipes as stdio", x: "open files", y: "µs", logX: true, logY: true}),
		b.sweepChart(spawnersScenario, chart{file: "spawners.svg", title: "Time per spawn by goroutines that spawn", x: "goroutines", y: "µs", logX: true}),
		b.liveChart(chart{file: "threads.svg", title: "Threads by live children", y: "threads"}, func(r liveResult) float64 { return float64(r.threads) }),
		b.liveChart(chart{file: "rss.svg", title: "Resident memory by live children", y: "MiB"}, func(r liveResult) float64 { return float64(r.rss) / (1 << 20) }),
		b.sweepChart(waitScenario, chart{file: "waiting.svg", title: "Start and wait, by ways of waiting", x: "µs that the child sleeps", y: "µs"}),
		b.parentChart("cdf-http.svg"),
		b.distribution(tinyScenario, "cdf-tiny.svg"),
		b.distribution(dynamicScenario, "cdf-true.svg"),
		b.distribution(captureScenario, "cdf-capture.svg"),
	}
	var files []string
	for _, c := range charts {
		if len(c.lines) == 0 {
			continue
		}
		if err := c.draw(dir); err != nil {
			return nil, err
		}
		files = append(files, c.file)
	}
	return files, nil
}

// sweepChart has a line for each method.
func (b *bench) sweepChart(name string, c chart) chart {
	for _, s := range b.series {
		if s.scenario != name {
			continue
		}
		q := quartilesOf(s.costs())
		c.add(s.title, s.x, microseconds(q.median), q)
	}
	return c
}

// add adds a point to a line, which is made if there is none of that title.
func (c *chart) add(title string, x, y float64, q quartiles) {
	i := slices.IndexFunc(c.lines, func(l chartLine) bool { return l.title == title })
	if i < 0 {
		i = len(c.lines)
		c.lines = append(c.lines, chartLine{title: title})
	}
	l := &c.lines[i]
	l.points = append(l.points, plotter.XY{X: x, Y: y})
	l.spreads = append(l.spreads, q)
}

func (b *bench) liveChart(c chart, y func(liveResult) float64) chart {
	c.x, c.logX, c.logY = "live children", true, true
	for _, r := range b.live {
		c.add(r.title, float64(r.n), y(r), quartiles{})
	}
	return c
}

// distribution is which part of the spawns took at most how long.
func (b *bench) distribution(name, file string) chart {
	c := chart{file: file, title: "Distribution of latencies, " + name, x: "µs", y: "part of the spawns", logX: true, yMax: 1}
	for _, s := range b.series {
		if s.scenario == name {
			c.distribute(s.title, s.latencies())
		}
	}
	return c
}

// distribute adds the distribution of sorted times, in ns.
func (c *chart) distribute(title string, sorted []float64) {
	const points = 200
	line := chartLine{title: title, smooth: true}
	for i := range points {
		q := float64(i) / points
		line.points = append(line.points, plotter.XY{X: microseconds(quantile(sorted, q)), Y: q})
	}
	c.lines = append(c.lines, line)
}

// parentChart is which part of the requests to the server took at most how long.
func (b *bench) parentChart(file string) chart {
	c := chart{file: file, title: fmt.Sprintf("Distribution of HTTP latencies, %d spawns a second", spawnRate),
		x: "µs", y: "part of the requests", logX: true, yMax: 1}
	for _, s := range b.parent {
		c.distribute(s.title, s.latencies)
	}
	return c
}

func (c chart) draw(dir string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	p.Legend.Top, p.Legend.Left = c.yMax == 0, c.yMax == 0
	p.Legend.TextStyle.Font.Size = vg.Points(8)
	p.Add(plotter.NewGrid())
	if c.logX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if c.logY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		p.Y.Min = 0
	}
	for i, l := range c.lines {
		if err := l.draw(p, i); err != nil {
			return err
		}
	}
	switch {
	case c.yMax != 0:
		p.Y.Max = c.yMax
	case !c.logY:
		p.Y.Max *= 1.3
	}
	return p.Save(18*vg.Centimeter, 12*vg.Centimeter, filepath.Join(dir, c.file))
}

func (l chartLine) draw(p *plot.Plot, i int) error {
	line, marks, err := plotter.NewLinePoints(l.points)
	if err != nil {
		return err
	}
	line.Color, marks.Color = plotutil.Color(i), plotutil.Color(i)
	line.Dashes = plotutil.Dashes(i / len(plotutil.DefaultColors))
	marks.Shape = plotutil.Shape(i)
	p.Add(line)
	if l.smooth {
		p.Legend.Add(l.title, line)
		return nil
	}
	p.Add(marks)
	p.Legend.Add(l.title, line, marks)
	if l.spreads[0] == (quartiles{}) {
		return nil
	}
	bars, err := plotter.NewYErrorBars(spreadBars{l})
	if err != nil {
		return err
	}
	bars.Color = plotutil.Color(i)
	p.Add(bars)
	return nil
}

// spreadBars are the quartiles as error bars.
type spreadBars struct{ chartLine }

func (s spreadBars) Len() int { return len(s.points) }

func (s spreadBars) XY(i int) (x, y float64) { return s.points.XY(i) }

func (s spreadBars) YError(i int) (low, high float64) {
	q := s.spreads[i]
	return microseconds(q.median - q.low), microseconds(q.high - q.median)
}
