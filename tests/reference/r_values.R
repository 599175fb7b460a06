# Rscript tests/reference/r_values.R > tests/reference/r_values.json
#
# Values of R (base, boot, psych, pcaPP) for test_r.py, each under the expression that gives it.
# The file can be named instead: Rscript tests/reference/r_values.R FILE

suppressPackageStartupMessages({
  library(boot)
  library(pcaPP)
  library(psych)
})
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
options(digits = 17, warn = 2)

# Ranks, less their mean, within groups.
centred <- function(v, g) ave(v, g, FUN = function(v) rank(v) - mean(rank(v)))

# Tau-b within groups, each weighing by its untied pairs; a group without any is left out.
stratified_tau <- function(v, w, g) {
  untied <- function(v) sum(outer(v, v, "!="))
  parts <- split(data.frame(v = v, w = w), g)
  weight <- sapply(parts, function(d) sqrt(untied(d$v) * untied(d$w)))
  tau <- sapply(parts[weight > 0], function(d) cor(d$v, d$w, method = "kendall"))
  weighted.mean(tau, weight[weight > 0])
}

# All orders of n rows, one in each line.
orders <- function(n) {
  if (n == 1) return(matrix(1))
  rest <- orders(n - 1)
  do.call(rbind, lapply(1:n, function(k) cbind(k, rest + (rest >= k))))
}

# All orders that keep every row in its group; groups follow each other.
orders_within <- function(g) {
  parts <- lapply(split(seq_along(g), g), function(rows) {
    matrix(rows[orders(length(rows))], ncol = length(rows))
  })
  lines <- expand.grid(lapply(parts, function(m) seq_len(nrow(m))))
  do.call(cbind, Map(function(m, line) m[line, ], parts, lines))
}

# Two-sided p among all orders: twice the smaller one-sided p.
exact_p <- function(w, all, statistic) {
  null <- apply(all, 1, function(i) statistic(w[i]))
  observed <- statistic(w)
  min(1, 2 * min(mean(null >= observed - 1e-9), mean(null <= observed + 1e-9)))
}

# Percentile intervals of 20,000 draws at three levels, a line for each: low, high.
ends <- function(statistic, n, strata = rep(1, n)) {
  drawn <- boot(seq_len(n), function(rows, i) statistic(rows[i]), R = 20000, strata = strata)
  boot.ci(drawn, conf = c(0.9375, 0.95, 0.9625), type = "perc")$percent[, 4:5]
}

# The rows of units, one after the other.
rows_of <- function(i) unlist(split(seq_along(u), u)[i])

data <- list(
  # With ties, and in three blocks.
  x = c(0.31, 0.62, 0.18, 0.75, 0.44, 0.44, 0.90, 0.27, 0.58, 0.66, 0.12, 0.83),
  y = c(2.1, 2.9, 1.4, 3.8, 2.2, 3.0, 3.7, 2.2, 1.9, 3.1, 1.0, 2.9),
  h = rep(1:3, each = 4),
  # With missing values.
  xm = c(0.31, NA, 0.18, 0.75, 0.44, 0.44, 0.90, 0.27, NA, 0.66, 0.12, 0.83),
  ym = c(2.1, 2.9, 1.4, NA, 2.2, 3.0, 3.7, 2.2, NA, 3.1, 1.0, 2.9),
  # Without ties.
  x7 = c(3, 1, 4, 1.5, 5, 9, 2),
  y7 = c(2, 7, 1, 8, 2.8, 1.8, 2.9),
  x8 = c(0.2, 0.9, 0.4, 0.7, 0.1, 0.6, 0.3, 0.8),
  y8 = c(1.2, 2.9, 2.4, 1.7, 1.1, 2.6, 1.3, 2.8),
  x9 = c(5, 2, 8, 1, 9, 4, 7, 3, 6),
  y9 = c(4.5, 1.5, 9.5, 3.5, 5.5, 2.5, 8.5, 6.5, 7.5),
  x12 = c(7, 12, 1, 10, 4, 6, 2, 9, 11, 3, 8, 5),
  y12 = c(5, 11, 9, 12, 1, 8, 3, 4, 10, 7, 2, 6),
  # With ties.
  v7 = c(1, 1, 2, 3, 3, 3, 4),
  w7 = c(2, 1, 1, 3, 2, 4, 4),
  # p-values, with ties and gaps; groups of unequal size.
  pm = c(0.02, NA, 0.3, 0.001, 0.02, 0.9, 0.04, NA, 0.04, 0.011, 0.6, 0.0499),
  k = c(2.9, 3.0, 2.5, 2.6, 3.2, 3.8, 2.7, 4.0, 2.4, 2.8, 3.4, 3.7, 2.2, 2.0),
  kg = rep(1:3, c(5, 4, 5)),
  # Three blocks of four units of three rows.
  g = rep(1:3, each = 12),
  u = rep(1:12, each = 3),
  s = rep(1:3, 12)
)
i <- 1:500
data$a <- (i * 7919) %% 503
data$b <- (i * 104729) %% 509 + data$a / 2
# Closeness o of 36 models; repeats of it with noise, the last with ties; metrics that follow it,
# oppose it or do neither, two of them with ties.
set.seed(36)
unit <- rep(rnorm(12), each = 3)
o <- unit + rnorm(36, sd = 0.5)
noisy <- function(v, sd, digits) round(v + rnorm(36, sd = sd), digits)
data$o <- round(o, 4)
data$O <- data.frame(o1 = noisy(o, 0.7, 4), o2 = noisy(o, 0.7, 4), o3 = noisy(o, 0.7, 0))
data$M <- data.frame(
  m1 = noisy(o, 1, 4), m2 = noisy(o, 1, 0), m3 = noisy(-o, 2, 4),
  m4 = noisy(-o, 1, 4), m5 = noisy(0, 1, 1), m6 = noisy(0, 1, 4)
)
invisible(list2env(data, globalenv()))

values <- expression(
  # Associations.
  cor.fk(x, y),
  cor(x, y, method = "kendall"),
  cor(x, y, method = "spearman"),
  cor(x, y),
  cor(x7, y7, method = "kendall"),
  cor(x7, y7, method = "spearman"),
  cor(x7, y7),
  cor.fk(x[1:2], -y[1:2]),
  cor(v7, -w7, method = "kendall"),
  cor(v7, -w7, method = "spearman"),
  cor(xm, ym, method = "kendall", use = "complete.obs"),
  cor(xm, ym, method = "spearman", use = "complete.obs"),
  cor(xm, ym, use = "complete.obs"),
  cor.fk(a, b),
  cor.fk(a, -b),
  cor.fk(a %% 7, floor(b %% 11)),
  cor(a %% 7, floor(b %% 11), method = "spearman"),
  cor(a, b, method = "spearman"),
  cor(a, -b),
  cor.fk(as.matrix(M)),
  cor(M, method = "spearman"),
  cor(M),
  c(cor(M, o, method = "kendall")),
  # Within blocks, and within rows of one seed in one block.
  stratified_tau(x, y, h),
  stratified_tau(M$m2, M$m5, interaction(g, s)),
  stratified_tau(M$m4, o, g),
  cor(centred(x, h), centred(y, h)),
  cor(centred(M$m2, g), centred(o, g)),
  statsBy(data.frame(g, M$m4, o), "g")$rwg[1, 2],
  mean(sapply(1:3, function(j) cor.fk(M$m2[g == j], o[g == j]))),
  mean(sapply(1:3, function(j) cor(M$m4[g == j], o[g == j], method = "spearman"))),
  # Ranks and quantiles.
  rank(y),
  rank(-y, ties.method = "min"),
  quantile(b, c(0.025, 0.975), names = FALSE),
  # p-values of correlations by the t approximation.
  cor.test(x, y)$p.value,
  cor.test(x7, -y7)$p.value,
  cor.test(M$m3, o)$p.value,
  cor.test(a, b)$p.value,
  cor.test(x, y, method = "spearman", exact = FALSE)$p.value,
  cor.test(M$m2, o, method = "spearman", exact = FALSE)$p.value,
  r.test(36, 0.3)$p,
  r.test(5, -0.7)$p,
  # All orders: without ties, with ties, within blocks.
  cor.test(x7, y7, method = "kendall", exact = TRUE)$p.value,
  cor.test(x7, y7, method = "spearman", exact = TRUE)$p.value,
  cor.test(x8, -y8, method = "kendall", exact = TRUE)$p.value,
  cor.test(x8, -y8, method = "spearman", exact = TRUE)$p.value,
  cor.test(x8, y8, method = "kendall", exact = TRUE, alternative = "greater")$p.value,
  cor.test(x8, y8, method = "spearman", exact = TRUE, alternative = "less")$p.value,
  cor.test(x9, y9, method = "kendall", exact = TRUE)$p.value,
  cor.test(x9, y9, method = "spearman", exact = TRUE)$p.value,
  cor.test(1:7, 1:7, method = "kendall", exact = TRUE)$p.value,
  exact_p(w7, orders(7), function(w) cor(v7, w, method = "kendall")),
  exact_p(w7, orders(7), function(w) cor(v7, w, method = "spearman")),
  exact_p(-w7, orders(7), function(w) cor(v7, w)),
  exact_p(y, orders_within(h), function(w) sum(centred(x, h) * centred(w, h))),
  exact_p(-y, orders_within(h), function(w) stratified_tau(x, w, h)),
  # Too many orders to list.
  cor.test(x12, y12, method = "kendall", exact = TRUE)$p.value,
  cor.test(x12, -y12, method = "spearman", exact = TRUE)$p.value,
  cor.test(M$m6, o, method = "kendall", exact = TRUE)$p.value,
  # Two dependent correlations: Williams, and Steiger with pooled correlations.
  unlist(r.test(103, r12 = 0.4, r13 = 0.5, r23 = 0.1)[c("t", "p")]),
  unlist(r.test(30, r12 = -0.3, r13 = 0.6, r23 = 0.2)[c("t", "p")]),
  unlist(r.test(12, r12 = 0.48, r13 = -0.41, r23 = -0.87)[c("t", "p")]),
  unlist(r.test(15, r12 = 0.9, r13 = 0.85, r23 = 0.8)[c("t", "p")]),
  unlist(r.test(50, r12 = 0, r13 = 0.3, r23 = -0.2)[c("t", "p")]),
  unlist(r.test(36, r12 = 0.7, r13 = 0.7, r23 = 0.5)[c("t", "p")]),
  unlist(r.test(36, cor(M$m1, o), r13 = cor(M$m4, o), r23 = cor(M$m1, M$m4))[c("t", "p")]),
  unlist(r.test(103, r12 = 0.4, r34 = 0.5, r13 = 0.1,
    r14 = 0.45, r23 = 0.45, r24 = 1)[c("z", "p")]),
  unlist(r.test(12, r12 = 0.7, r34 = -0.1, r13 = -0.3,
    r14 = 0.3, r23 = 0.3, r24 = 1)[c("z", "p")]),
  unlist(r.test(50, r12 = -0.2, r34 = -0.4, r13 = 0.6,
    r14 = -0.3, r23 = -0.3, r24 = 1)[c("z", "p")]),
  # Corrections for the number of tests.
  p.adjust(pm, "holm"),
  p.adjust(pm, "BH"),
  p.adjust(pm, "BY"),
  p.adjust(pm, "bonferroni"),
  p.adjust(pm, "hochberg"),
  p.adjust(pm, "hommel"),
  p.adjust(pm, "none"),
  # Levels of groups.
  kruskal.test(1:6, c(1, 1, 1, 2, 2, 2))$p.value,
  kruskal.test(k, kg)$p.value,
  kruskal.test(-round(k), kg)$p.value,
  kruskal.test(M$m5, g)$p.value,
  kruskal.test(b %% 7, a %% 4)$p.value,
  summary(lm(rank(M$m5) ~ factor(g)))$r.squared,
  # Replicates of a unit: ICC(1), in one block and in three.
  ICC(matrix(rank(M$m1[1:12]), 4, byrow = TRUE), lmer = FALSE)$results$ICC[1],
  ICC(matrix(rank(M$m2), 12, byrow = TRUE), lmer = FALSE)$results$ICC[1],
  with(anova(lm(centred(M$m2, g) ~ factor(g) + factor(u))),
    (`Mean Sq`[2] - `Mean Sq`[3]) / (`Mean Sq`[2] + 2 * `Mean Sq`[3])),
  # Repeats of the oracle: their agreement, and the root of their standardised alpha.
  mean(cor.fk(as.matrix(O))[lower.tri(diag(3))]),
  sqrt(psych::alpha(cor(O))$total$std.alpha),
  sqrt(psych::alpha(cor(O, method = "spearman"))$total$std.alpha),
  sqrt(psych::alpha(cor(O[c("o1", "o3")]))$total$std.alpha),
  2 / pi * asin(sqrt(psych::alpha(sin(pi / 2 * cor.fk(as.matrix(O[1:2]))))$total$std.alpha)),
  # Clusters.
  hclust(as.dist((1 - cor(M, method = "kendall")) / 2), "average")$height,
  hclust(as.dist((1 - cor(M, method = "spearman")) / 2), "average")$height,
  hclust(as.dist((1 - cor(M)) / 2), "average")$height,
  cutree(hclust(as.dist((1 - cor(M, method = "kendall")) / 2), "average"), 1:6),
  cutree(hclust(as.dist((1 - cor(M, method = "spearman")) / 2), "average"), 1:6),
  cutree(hclust(as.dist((1 - cor(M)) / 2), "average"), 1:6),
  # Bootstrap intervals: rows; rows within blocks; units within blocks.
  ends(function(i) cor.fk(x[i], y[i]), 12),
  ends(function(i) cor(x[i], y[i], method = "spearman"), 12),
  ends(function(i) cor(x[i], -y[i]), 12),
  ends(function(i) cor(centred(x[i], h[i]), centred(y[i], h[i])), 12, h),
  ends(function(i) cor.fk(M$m6[i], o[i]), 36),
  ends(function(i) cor(M$m4[i], o[i], method = "spearman"), 36),
  ends(function(i) stratified_tau(M$m2[i], o[i], g[i]), 36, g),
  ends(function(i) {
    r <- rows_of(i)
    cor(M$m2[r], o[r], method = "spearman")
  }, 12, rep(1:3, each = 4)),
  ends(function(i) {
    r <- rows_of(i)
    cor(centred(M$m4[r], g[r]), centred(o[r], g[r]))
  }, 12, rep(1:3, each = 4)),
  ends(function(i) {
    r <- rows_of(i)
    stratified_tau(M$m1[r], M$m2[r], interaction(g, s)[r])
  }, 12, rep(1:3, each = 4)),
  ends(function(i) diff(cor(cbind(M$m1, M$m3)[i, ], o[i], method = "spearman")), 36),
  ends(function(i) mean(cor(O[i, ], method = "spearman")[lower.tri(diag(3))]), 36)
)

# An expression on one line.
text <- function(call) {
  line <- gsub("\\s+", " ", paste(deparse(call, 500), collapse = "; "))
  gsub("; }", " }", gsub("([{]|[)] ); ", "\\1 ", line), fixed = TRUE)
}
quoted <- function(text) encodeString(text, quote = '"')
json <- function(v) {
  if (is.data.frame(v)) return(paste0("{", paste0(quoted(names(v)), ": ", lapply(v, json),
    collapse = ", "), "}"))
  if (is.matrix(v)) return(paste0("[", paste(apply(v, 1, json), collapse = ", "), "]"))
  number <- ifelse(is.na(v), "null", quoted(as.character(v)))
  finite <- is.finite(v)
  # As few digits as give the number back.
  short <- formatC(v[finite], digits = 15, format = "g", width = 1)
  long <- formatC(v[finite], digits = 17, format = "g", width = 1)
  number[finite] <- ifelse(as.numeric(short) == v[finite], short, long)
  if (length(v) == 1) number else paste0("[", paste(number, collapse = ", "), "]")
}
object <- function(names, parts) {
  paste0("{\n", paste0("    ", quoted(names), ": ", parts, collapse = ",\n"), "\n  }")
}
# Every value starts from the same seed, so that none depends on those before it.
evaluate <- function(call) {
  set.seed(1)
  # Some functions of psych print.
  capture.output(value <- eval(call, globalenv()))
  json(if (is.data.frame(value)) as.matrix(value) else unname(value))
}
packages <- c("boot", "psych", "pcaPP")
versions <- sapply(packages, function(name) quoted(packageDescription(name)$Version))
helpers <- c("centred", "stratified_tau", "orders", "orders_within", "exact_p", "ends", "rows_of")
calls <- sapply(values, text)
stopifnot(!duplicated(calls))
parts <- c(
  R = quoted(paste(R.version$major, R.version$minor, sep = ".")),
  packages = object(packages, versions),
  functions = object(helpers, sapply(helpers, function(name) quoted(text(get(name))))),
  data = object(names(data), sapply(data, json)),
  values = object(calls, sapply(values, evaluate))
)
file <- commandArgs(trailingOnly = TRUE)
cat("{\n", paste0("  ", quoted(names(parts)), ": ", parts, collapse = ",\n"), "\n}\n",
  sep = "", file = if (length(file)) file[1] else "")
