import type { CSSVariablesResolver } from "@mantine/core"
import { createTheme } from "@mantine/core"

const COLOURS = ["gray", "red", "green", "yellow", "orange", "indigo", "teal", "blue"] as const

export const theme = createTheme({
  primaryColor: "indigo",
  colors: {
    dark: [
      "#c9cdd4",
      "#b0b6c0",
      "#828a96",
      "#5c6470",
      "#3a3f48",
      "#2f343c",
      "#23262c",
      "#1c1f24",
      "#15171b",
      "#0f1114",
    ],
  },
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.4rem" }, h2: { fontSize: "1.05rem" } } },
  respectReducedMotion: true,
  components: {
    // By name: what is imported here is part of the first load.
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
  },
})

/** Mantine's tints are too faint to be read by everybody: every text gets a contrast of 4.5 and more. */
export const readable: CSSVariablesResolver = () => {
  const tint = (shade: number) =>
    Object.fromEntries(
      COLOURS.map(name => [`--mantine-color-${name}-light-color`, `var(--mantine-color-${name}-${shade})`]),
    )
  return {
    variables: {},
    light: {
      ...tint(9),
      "--mantine-color-yellow-light-color": "#7a4a00",
      "--mantine-color-orange-light-color": "#8a3206",
      "--mantine-color-green-light-color": "#1b5e2a",
      "--mantine-color-teal-light-color": "#075e45",
      "--mantine-color-dimmed": "#596068",
      "--mantine-color-placeholder": "#6b7280",
      "--mantine-color-error": "#c92a2a",
      "--mantine-color-anchor": "var(--mantine-color-indigo-8)",
      "--mantine-color-body": "#f6f7f9",
      "--surface": "#ffffff",
      "--line": "#e1e4e8",
      "--good": "#2f9e44",
      "--bad": "#e03131",
      "--warn": "#e67700",
      "--idle": "#868e96",
    },
    dark: {
      ...tint(2),
      // A notice is not an alarm: Mantine's dark tints shout.
      "--mantine-color-red-light": "rgba(255, 107, 107, 0.13)",
      "--mantine-color-yellow-light": "rgba(252, 196, 25, 0.12)",
      "--mantine-color-green-light": "rgba(81, 207, 102, 0.12)",
      "--mantine-color-dimmed": "#a3aab4",
      "--mantine-color-placeholder": "#8b929c",
      "--mantine-color-error": "#ff8787",
      "--mantine-color-anchor": "var(--mantine-color-indigo-3)",
      "--mantine-color-body": "#15171b",
      "--mantine-color-default": "#23262c",
      "--mantine-color-default-hover": "#2b2f36",
      "--mantine-color-default-border": "#3a3f48",
      "--surface": "#1c1f24",
      "--line": "#2e333b",
      "--good": "#51cf66",
      "--bad": "#ff6b6b",
      "--warn": "#fcc419",
      "--idle": "#7d8590",
    },
  }
}
