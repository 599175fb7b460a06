"""The calls whose results are recorded, by topic, as a user would write them."""

from __future__ import annotations

from collections.abc import Mapping

CALLS: Mapping[str, tuple[str, ...]] = {
    "planning": (
        "plan()",
        "plan(TABLE, rng=0)",
        "plan(TABLE, n_units=21, n_resamples=500, rng=1)",
        "plan(TABLE, n_blocks=3, statistic='kendall', rng=1)",
        "plan(n_units=15, n_blocks=4, rho=0.9, statistic='pearson', rng=2)",
        "plan(n_blocks=3, n_resamples=200, rng=2)",
        "plan(n_units=5, n_blocks=3)",
        "plan(n_blocks=0)",
        "plan(n_resamples=0)",
        "plan(rng='seed')",
        "plan(FEW, rho=0.6, power=0.9, alpha=0.1, between=0.2)",
        "plan(METRICS, directions=DIRECTIONS)",
        "plan(FRAME[['RA', 'dataset', 'method', 'seed']], block='dataset', item='method', "
        "replicate='seed', rng=0)",
        "plan(n_units=12, statistic='kendall')",
        "plan(n_units=12, tests=5, rho=-0.5, statistic='pearson')",
        "plan(n_units=1)",
        "plan(rho=0)",
        "plan(rho=1)",
        "plan(rho=-1.0)",
        "plan(rho=True)",
        "plan(rho='0.5')",
        "plan(between=1)",
        "plan(between=-1)",
        "plan(between='0')",
        "plan(power=1)",
        "plan(alpha=0)",
        "plan(tests=0)",
        "plan(tests=10**9)",
        "plan(tests=10**9 + 1)",
        "plan(tests=1.5)",
        "plan(n_units=True)",
        "plan(n_units=0)",
        "plan(TABLE, n_units=12, rng=0)",
        "plan(TABLE, tests=2, n_resamples=100, rng=0)",
        "plan(METRICS, block=['a'] * 4 + ['b'] * 12, n_resamples=100, rng=0)",
        "plan(METRICS[['RA']].add_prefix('my '), directions={'my RA': 'higher'})",
        "plan(n_units=3, n_blocks=2)",
        "plan(n_units=4, n_blocks=2, n_resamples=100, rng=0)",
        "plan(rho=0.3, n_blocks=2, n_units=101, n_resamples=100, rng=0)",
        "plan(between=False)",
        "plan(statistic='tau')",
    ),
    "options": (
        "reliability(TABLE, estimate='average')",
        "reliability(TABLE, estimate='Mean')",
        "reliability(TABLE, correction='fdr')",
        "reliability(TABLE, correction='Holm')",
        "reliability(TABLE, n_resamples=0)",
        "reliability(TABLE, n_resamples=True)",
        "reliability(TABLE, n_resamples=1e3)",
        "reliability(TABLE, n_resamples=10**7 + 1)",
        "reliability(TABLE, confidence=95)",
        "reliability(TABLE, confidence=0)",
        "reliability(TABLE, confidence='0.95')",
        "reliability(TABLE, protocol='paper')",
        "reliability(TABLE, protocol='Published')",
        "reliability(TABLE, protocol='published', statistic='kendall')",
        "reliability(TABLE, protocol='published', estimate='mean')",
        "reliability(TABLE, protocol='published', unit='row')",
        "reliability(TABLE, protocol='published', test='t', estimate='pooled')",
        "reliability(TABLE, protocol='published', alternative='less')",
        "reliability(TABLE, protocol='published', correction='none')",
        "UQS.fit(TABLE, protocol='paper')",
        "UQS.fit(TABLE, protocol='published', weights='pooled')",
        "UQS.fit(TABLE, protocol='published', statistic='kendall')",
        "UQS.fit(TABLE, protocol='published', floor=0.02)",
        "UQS.fit(TABLE, protocol='published', n_resamples=0)",
        "UQS.fit(TABLE, protocol='published', confidence=1)",
        "agreement(TABLE, protocol='published', statistic='spearman')",
        "agreement(TABLE, protocol='published', estimate='mean')",
        "agreement(TABLE, protocol='published', unit='row')",
        "agreement(TABLE, protocol='published', correction='none')",
        "compare_agreement(TABLE, TABLE, protocol='published', statistic='spearman')",
        "compare_agreement(TABLE, TABLE, protocol='published', estimate='mean')",
        "perturb(UQS.fit(TABLE, protocol='published'), TABLE, protocol='paper')",
    ),
    "reliability": (
        "reliability(FEW, rng=0)",
        "reliability(TABLE, n_resamples=50, rng=0)",
        "reliability(TABLE, n_resamples=50, rng=np.random.default_rng(1))",
        "reliability(TABLE, statistic='kendall', n_resamples=50, rng=0)",
        "reliability(TABLE, statistic='kendall_c', estimate='mean', n_resamples=50, rng=0)",
        "reliability(TABLE, statistic='pearson', confidence=0.5, n_resamples=50, rng=0)",
        "reliability(TABLE, statistic='acc_eq', n_resamples=50, rng=0)",
        "reliability(TABLE, statistic='acc_eq_calibrated', n_resamples=20, rng=0)",
        "reliability(TABLE, estimate='mean', n_resamples=50, rng=0)",
        "reliability(TABLE, estimate='pooled', correction='bh', n_resamples=50, rng=0)",
        "reliability(TABLE, unit='row', correction='none', n_resamples=50, rng=0)",
        "reliability(TABLE, test='t', estimate='pooled', correction='hommel', n_resamples=50, "
        "rng=0)",
        "reliability(TABLE, alternative='greater', n_resamples=50, rng=0)",
        "reliability(TABLE, alternative='less', n_resamples=50, rng=0)",
        "reliability(TABLE, metrics=['AD', 'RA'], n_resamples=50, rng=0)",
        "reliability(TABLE, directions={'RA': 'lower'}, n_resamples=50, rng=0)",
        "reliability(TABLE, block='method', item='dataset', n_resamples=50, rng=0)",
        "reliability(TABLE, n_resamples=50, rng=0).rho",
        "reliability(GAPS, n_resamples=50, rng=0)",
        "reliability(GAPS, estimate='mean', statistic='pearson', n_resamples=50, rng=0)",
        "reliability(GAPS, test='t', estimate='pooled', n_resamples=50, rng=0)",
        "reliability(REPEATS, n_resamples=50, rng=0)",
        "reliability(REPEATS, estimate='pooled', statistic='kendall', confidence=0.9, "
        "n_resamples=50, rng=0)",
        "reliability(REPEATS, statistic='acc_eq', n_resamples=50, rng=0)",
        "reliability(REPEATS, 'other', n_resamples=50, rng=0)",
        "reliability(REPEATS, FRAME.assign(b=FRAME['distance'].where(FRAME['seed'] == 1), "
        "c=-FRAME['distance'])[['b', 'c']], n_resamples=50, rng=0)",
        "reliability(FEW, [[1, 5, 2], [2, 3, 1], [3, 4, 4], [4, 1, 3]], n_resamples=50, rng=0)",
        "reliability(FEW, [[1, 2], [1, 3], [1, 4], [1, 1]], n_resamples=50, rng=0)",
        "reliability(FEW, [[1, 2], [np.nan, 3], [3, np.nan], [np.nan, 1]], n_resamples=50, rng=0)",
        "reliability(FEW, [[1, 2], [np.inf, 3], [3, 4], [5, 1]], statistic='pearson', "
        "n_resamples=50, rng=0)",
        "reliability(FRAME, 'distance', metrics=['AD', 'MIA'], directions={'AD': 'higher'}, "
        "block='dataset', item='method', replicate='seed', n_resamples=50, rng=0)",
        "reliability(FRAME, ['distance', 'AD'], block=['dataset'], item=['method', 'seed'], "
        "n_resamples=50, rng=0)",
        "reliability(FRAME, 'distance', block='dataset', directions={'seed': 'lower'}, "
        "n_resamples=50, rng=0)",
        "reliability(FRAME, 'distance', item='method', directions={'seed': 'lower'}, "
        "n_resamples=50, rng=0)",
        "reliability(FRAME, 'distance', replicate='seed', n_resamples=50, rng=0)",
        "reliability(METRICS, DISTANCE, n_resamples=50, rng=0)",
        "reliability(METRICS, DISTANCE.to_numpy(), block=FRAME['dataset'], item=FRAME['method'], "
        "replicate=FRAME['seed'], n_resamples=50, rng=0)",
        "reliability(METRICS.assign(FA=0.5, RA=np.nan, MIA=[np.nan] * 15 + [1.0]), DISTANCE, "
        "n_resamples=50, rng=0)",
        "reliability(METRICS.assign(AD=[np.inf] + [1.0] * 15), DISTANCE, statistic='pearson', "
        "n_resamples=50, rng=0)",
        "reliability(METRICS, DISTANCE * 0 + 1, n_resamples=50, rng=0)",
        "reliability(METRICS.assign(FA=0.5)[['FA']], DISTANCE, test='t', estimate='pooled', "
        "n_resamples=50, rng=0)",
        "reliability(METRICS[:1], DISTANCE[:1], n_resamples=50, rng=0)",
        "reliability(METRICS[:2], DISTANCE[:2], n_resamples=50, rng=0)",
        "reliability(METRICS[:2], DISTANCE[:2], test='t', estimate='pooled', n_resamples=50, "
        "rng=0)",
        "reliability(METRICS[:5], DISTANCE[:5], block=list('abcde'), n_resamples=50, rng=0)",
        "reliability(METRICS[:4], DISTANCE[:4], item=list('abca'), replicate=list('1223'), "
        "n_resamples=50, rng=0)",
        "reliability(METRICS[:4], DISTANCE[:4], item=list('abcd'), replicate=list('1234'), "
        "n_resamples=50, rng=0)",
        "reliability(FRAME[FRAME['seed'] > 1], 'distance', directions={'seed': 'lower'}, "
        "block='dataset', n_resamples=50, rng=0)",
        "reliability(RELEASED, n_resamples=50, rng=0)",
        "reliability(UNIMODAL, n_resamples=50, rng=0)",
        "labels(reliability(REPEATS, n_resamples=2, rng=0))",
        "labels(reliability(FEW, test='t', estimate='pooled', n_resamples=2, rng=0))",
        "reliability(METRICS, n_resamples=50)",
        "reliability(TABLE, 'distnce')",
        "reliability(TABLE, statistic='spearmann')",
        "reliability(TABLE, unit='cells')",
        "reliability(TABLE, unit='item')",
        "reliability(TABLE, test='perm')",
        "reliability(TABLE, test='T')",
        "reliability(TABLE, test='t')",
        "reliability(TABLE, test='t', estimate='pooled', alternative='greater')",
        "reliability(TABLE, test='t', estimate='pooled', statistic='kendall')",
        "reliability(TABLE, test='t', estimate='pooled', statistic='pearson', n_resamples=50, "
        "rng=0)",
        "reliability(TABLE, alternative='two sided')",
        "reliability(TABLE, alternative='smaller')",
        "reliability(TABLE, rng='0')",
        "reliability(TABLE, rng=-1)",
    ),
    "uqs": (
        "UQS.fit(FEW, rng=0)",
        "UQS.fit(TABLE, n_resamples=50, rng=0)",
        "UQS.fit(TABLE, n_resamples=50, rng=np.random.default_rng(1))",
        "UQS.fit(TABLE, weights='pooled', n_resamples=50, rng=0)",
        "UQS.fit(TABLE, weights='cross_fitted', n_resamples=50, rng=0)",
        "UQS.fit(TABLE, statistic='kendall', floor=0.3, confidence=0.5, n_resamples=50, rng=0)",
        "UQS.fit(TABLE, statistic='pearson', floor=0, n_resamples=50, rng=0)",
        "UQS.fit(TABLE, weights='cross_fitted', statistic='kendall', floor=0.2, confidence=0.5, "
        "n_resamples=50, rng=0)",
        "UQS.fit(TABLE, transforms={'FA': 'reciprocal', 'RA': 'saturation'}, n_resamples=50, "
        "rng=0)",
        "UQS.fit(TABLE, 'AD', metrics=['MIA', 'RA'], n_resamples=50, rng=0)",
        "UQS.fit(FRAME, 'distance', metrics=['RA', 'AD', 'MIA'], directions={'AD': 'higher'}, "
        "transforms={'AD': 'saturation'}, block='dataset', item='method', replicate='seed', "
        "n_resamples=50, rng=0)",
        "UQS.fit(FRAME, 'distance', block='dataset', item='method', replicate='seed', "
        "n_resamples=50, rng=0)",
        "UQS.fit(TABLE, rng=0)",
        "UQS.fit(METRICS.assign(AD=[np.inf] + [1.0] * 15), DISTANCE, statistic='pearson', "
        "n_resamples=50, rng=0)",
        "UQS.fit(METRICS, DISTANCE, block=FRAME['dataset'], n_resamples=50, rng=0)",
        "UQS.fit(METRICS, DISTANCE, item=FRAME['method'], n_resamples=50, rng=0)",
        "UQS.fit(METRICS, DISTANCE, block=FRAME['seed'], item=FRAME['method'], "
        "replicate=FRAME['dataset'], n_resamples=50, rng=0)",
        "UQS.fit(METRICS[['RA']], DISTANCE, block=FRAME['method'], n_resamples=50, rng=0)",
        "UQS.fit(GAPS, n_resamples=50, rng=0)",
        "UQS.fit(REPEATS, n_resamples=50, rng=0)",
        "UQS.fit(METRICS.assign(FA=0.5), DISTANCE, block=FRAME['dataset'], n_resamples=50, rng=0)",
        "UQS.fit(METRICS.assign(RA=METRICS['RA'].where(FRAME['dataset'] == 'faces'), "
        "MIA=METRICS['MIA'].where(FRAME['dataset'] == 'faces'))[['RA', 'MIA']], DISTANCE, "
        "block=FRAME['dataset'], n_resamples=50, rng=0)",
        "UQS.fit(METRICS[['RA']].where(FRAME['dataset'] == 'faces', 0.5), DISTANCE, "
        "weights='cross_fitted', block=FRAME['dataset'], n_resamples=50, rng=0)",
        "UQS.fit(RELEASED, n_resamples=50, rng=0)",
        "UQS.fit(RELEASED, weights='cross_fitted', n_resamples=50, rng=0)",
        # What spoils one metric mends the other.
        "UQS.fit(pd.DataFrame({'RA': 0.8 - DISTANCE / 8 + FRAME['FA'] / 4, "
        "'MIA': 0.2 + DISTANCE / 8 + FRAME['FA'] / 4}), DISTANCE, block=FRAME['seed'], "
        "n_resamples=50, rng=0)",
        "UQS.fit(TABLE, n_resamples=50, rng=0).beats_best_part",
        "UQS.fit(FEW, n_resamples=50, rng=0).beats_best_part",
        "UQS.fit(TABLE, protocol='published').beats_best_part",
        "UQS.fit(METRICS.assign(MIA=(1 - DISTANCE / 7) ** 2, RA=1 - DISTANCE / 7), DISTANCE, "
        "directions={'MIA': 'higher'}, block=FRAME['method'], n_resamples=50, rng=0)",
        "labels(UQS.fit(TABLE, n_resamples=2, rng=0))",
        "labels(UQS.fit(FEW, n_resamples=2, rng=0))",
        "labels(UQS.fit(TABLE, weights='cross_fitted', n_resamples=2, rng=0))",
        "labels(UQS.fit(METRICS.assign(FA=0.5), DISTANCE, protocol='published'))",
        *(
            f"UQS.fit({given}, rng=0).{method}({table}, by={by!r})"
            for given in ("TABLE, n_resamples=1", "TABLE, weights='cross_fitted', n_resamples=1")
            for method in ("score", "rank", "values")
            for table in ("TABLE", "GAPS")
            for by in ("item", "unit", "row")
        ),
        *(
            f"UQS.fit(TABLE, protocol='published').{method}({table})"
            for method in ("score", "rank", "values")
            for table in ("TABLE", "GAPS")
        ),
        *(
            f"UQS.fit(FEW, {given}, rng=0).{method}(FRAME, {roles})"
            for given in ("n_resamples=1", "protocol='published'")
            for method in ("score", "rank", "values")
            for roles in (
                "block='dataset', item='method', replicate='seed'",
                "block='seed', item='method'",
            )
        ),
        "UQS.fit(TABLE, metrics=['MIA', 'RA'], n_resamples=1, rng=0).values(TABLE)",
        *(
            f"UQS.fit(TABLE, n_resamples=1, rng=0).{method}(FRAME, by='row', block='dataset', "
            "item='method', replicate='seed')"
            for method in ("score", "rank", "values")
        ),
        "UQS.fit(FEW, n_resamples=1, rng=0).score(METRICS[:3])",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(FRAME[:3], by='unit')",
        "UQS.fit(FEW, n_resamples=1, rng=0).rank(FRAME[:8], by='unit', item='method', "
        "replicate='seed')",
        "UQS.fit(FEW, n_resamples=1, rng=0).rank(METRICS[:3].assign(RA=0.5, FA=0.5, MIA=0, AD=1))",
        "UQS.fit(FEW, directions={'RA': 'lower'}, n_resamples=1, rng=0).score(FRAME[:4])",
        "UQS.fit(TABLE, weights='cross_fitted', n_resamples=1, rng=0)"
        ".score(FRAME, by='unit', block='dataset', item='method', replicate='seed')",
        "UQS.fit(TABLE, weights='cross_fitted', n_resamples=1, rng=0)"
        ".score(FRAME.assign(dataset=FRAME['dataset'] + '2'), block='dataset', item='method')",
        "UQS.fit(TABLE, rng=0, n_resamples=1).table_of(TABLE, block='method', item='dataset')"
        ".block",
        "UQS.fit(METRICS[:1], DISTANCE[:1])",
        "UQS.fit(METRICS.assign(FA=0.5, RA=np.nan)[['FA', 'RA']], DISTANCE)",
        "UQS.fit(METRICS.assign(FA=0.5, RA=np.nan)[['FA', 'RA']], DISTANCE, protocol='published')",
        "UQS.fit(METRICS[['RA']], 1 - METRICS['RA'] * -1, floor=0)",
        "UQS.fit(METRICS, n_resamples=50)",
        "UQS.fit(TABLE, weights='equal')",
        "UQS.fit(TABLE, weights='pool')",
        "UQS.fit(TABLE, statistic='spearmen')",
        "UQS.fit(TABLE, statistic='acc_eq')",
        "UQS.fit(TABLE, statistic='kendall_c', n_resamples=50, rng=0)",
        "UQS.fit(TABLE, floor=1)",
        "UQS.fit(TABLE, floor=-0.01)",
        "UQS.fit(TABLE, floor=True)",
        "UQS.fit(TABLE, floor='0.1')",
        "UQS.fit(TABLE, floor=np.nan)",
        "UQS.fit(TABLE, rng='0')",
        "UQS.fit(TABLE, n_resamples=0)",
        "UQS.fit(TABLE, confidence=2)",
        "UQS.fit(FEW, weights='cross_fitted')",
        "UQS.fit(TABLE, transforms=['reciprocal'])",
        "UQS.fit(TABLE, transforms='reciprocal')",
        "UQS.fit(TABLE, transforms={'AB': 'reciprocal'})",
        "UQS.fit(TABLE, transforms={'AD': 'reciprocl'})",
        "UQS.fit(TABLE, transforms={'AD': 'identity'})",
        "UQS.fit(TABLE, transforms={'RA': 'complement'})",
        "UQS.fit(TABLE, transforms={'AD': 'complement'})",
        "UQS.fit(METRICS.assign(RA=METRICS['RA'] - 1), DISTANCE, transforms={'RA': 'saturation'})",
        "UQS.fit(METRICS.assign(RA=METRICS['RA'] - 1), DISTANCE)",
        "UQS.fit(METRICS.assign(FA=METRICS['FA'] + 1), DISTANCE)",
        "UQS.fit(METRICS.assign(AD=[np.inf, np.nan] + [1.0] * 14), DISTANCE, n_resamples=1, "
        "rng=0).values(METRICS.assign(AD=[np.inf, np.nan] + [1.0] * 14))",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(TABLE, by='seed')",
        "UQS.fit(FEW, n_resamples=1, rng=0).values(TABLE, by='units')",
        "UQS.fit(FEW, protocol='published').score(TABLE, by='unit')",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(METRICS[['RA', 'FA']])",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(FRAME[['distance']])",
        "UQS.fit(FEW, n_resamples=1, rng=0).score('table.csv')",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(MetricTable.from_frame(METRICS, "
        "directions={**DIRECTIONS, 'RA': 'lower'}, name='turned'))",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(METRICS.assign(MIA=METRICS['MIA'] * 3))",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(METRICS.assign(RA=METRICS['RA'] * 2))",
        "UQS.fit(FEW, n_resamples=1, rng=0).score(FRAME.assign(MIA=FRAME['MIA'] * 3), "
        "block='dataset', item='method', replicate='seed')",
        "UQS.fit(FEW, protocol='published').score(FRAME.assign(MIA=FRAME['MIA'] * 3), "
        "block='dataset', item='method', replicate='seed')",
    ),
    "perturbation": (
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), FEW, n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), FEW, rng=0)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, n_resamples=50, rng=0)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, n_resamples=50, "
        "rng=np.random.default_rng(1))",
        "perturb(UQS.fit(TABLE, weights='pooled', n_resamples=1, rng=0), TABLE, by='unit', "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, by='row', n_resamples=50, rng=0)",
        "perturb(UQS.fit(TABLE, protocol='published'), TABLE, n_resamples=50, rng=0)",
        "perturb(UQS.fit(TABLE, protocol='published'), TABLE, protocol='published', "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), FRAME, block='dataset', item='method', "
        "replicate='seed', n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), FRAME, block='seed', item='method', "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), METRICS[:3], n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), METRICS[:1], n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), METRICS[:3].assign(FA=0.5, RA=0.5, MIA=0.5, "
        "AD=1), n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), METRICS.iloc[[0, 1, 0, 3]], "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(FEW, metrics=['RA'], n_resamples=1, rng=0), METRICS[:4], "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(METRICS.assign(FA=0.5), DISTANCE, n_resamples=1, rng=0), METRICS[:4], "
        "n_resamples=50, rng=0)",
        "perturb(UQS.fit(METRICS[['RA', 'MIA']], 1 - METRICS['RA'], floor=0, n_resamples=1, "
        "rng=0), METRICS[:5], n_resamples=50, rng=0)",
        # More metrics than volumes are computed for.
        "perturb(UQS.fit(METRICS[['RA']].assign(**{f'm{i}': (METRICS['RA'] * 8 + i) % 3 / 3 "
        "for i in range(9)}), DISTANCE, directions={f'm{i}': 'higher' for i in range(9)}, "
        "n_resamples=1, rng=0), METRICS[['RA']].assign(**{f'm{i}': (METRICS['RA'] * 8 + i) % 3 / 3 "
        "for i in range(9)})[:5], n_resamples=50, rng=0)",
        "perturb(UQS.fit(RELEASED, n_resamples=1, rng=0), RELEASED, n_resamples=50, rng=0)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), MetricTable.from_frame("
        "FRAME[(FRAME['dataset'] == 'faces') | (FRAME['method'] != 'kl') | (FRAME['seed'] == 1)], "
        "**ROLES, directions=DIRECTIONS), n_resamples=50, rng=0)",
        "labels(perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, n_resamples=2, rng=0))",
        "labels(perturb(UQS.fit(FEW, n_resamples=1, rng=0), METRICS[:1], n_resamples=2, rng=0))",
        "labels(perturb(UQS.fit(FEW, protocol='published'), FEW, by='item', "
        "protocol='published', n_resamples=2, rng=0))",
        # Ties keep the order of rows, of which there are too many for sorts that are stable anyway.
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), pd.concat([METRICS] * 3), n_resamples=20, "
        "rng=0).to_frame()",
        "perturb(UQS.fit(FEW, n_resamples=1, rng=0), pd.concat([METRICS] * 3), n_resamples=20, "
        "rng=0).reversals['status']",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), GAPS)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), GAPS, by='unit')",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), GAPS, by='row')",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, by='seed')",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, n_resamples=0)",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, rng='0')",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), TABLE, protocol='published')",
        "perturb(UQS.fit(TABLE, weights='cross_fitted', n_resamples=1, rng=0), TABLE)",
        "perturb(UQS.fit(TABLE, protocol='published'), TABLE, protocol='published', by='row')",
        "perturb(TABLE, UQS.fit(TABLE, n_resamples=1, rng=0))",
        "perturb(UQS.fit(TABLE, n_resamples=1, rng=0), METRICS[['FA']])",
    ),
    "published": (
        "agreement(TABLE, protocol='published')",
        "agreement(FEW, protocol='published')",
        "agreement(METRICS[['RA']], protocol='published')",
        "agreement(METRICS[:1], protocol='published')",
        "agreement(METRICS, protocol='published', replicate=FRAME['seed'])",
        "agreement(METRICS, protocol='published', block=FRAME['dataset'])",
        "agreement(METRICS, protocol='published', block=FRAME['method'], "
        "replicate=FRAME['dataset'])",
        "agreement(METRICS[['RA', 'MIA']], protocol='published')",
        "labels(agreement(TABLE, protocol='published'))",
        "labels(agreement(METRICS[['RA']], protocol='published'))",
        "agreement(METRICS.assign(FA=METRICS['RA'], MIA=1 - METRICS['RA']), "
        "protocol='published', block=FRAME['dataset'])",
        "agreement(METRICS[:9], protocol='published', block=[*'aaaabbbbc'])",
        "agreement(GAPS, protocol='published')",
        "agreement(METRICS.assign(RA=np.nan), protocol='published')",
        "compare_agreement(UNIMODAL, RELEASED, protocol='published')",
        "compare_agreement(GAPS, TABLE, protocol='published')",
        "compare_agreement(METRICS[['RA', 'FA']].assign(FA=0.5), METRICS[['RA', 'FA']], "
        "protocol='published')",
        "reliability(TABLE, protocol='published')",
        "labels(reliability(REPEATS, protocol='published'))",
        "reliability(METRICS, DISTANCE.where(DISTANCE > 1), protocol='published')",
        "reliability(GAPS, protocol='published')",
        "reliability(REPEATS, protocol='published')",
        "reliability(METRICS.assign(FA=0.5, RA=np.nan, MIA=[np.nan] * 15 + [1.0]), DISTANCE, "
        "protocol='published')",
        "reliability(METRICS[:1], DISTANCE[:1], protocol='published')",
        "reliability(METRICS[:2], DISTANCE[:2], protocol='published')",
        "reliability(METRICS, protocol='published')",
        "reliability(RELEASED, protocol='published')",
        "UQS.fit(TABLE, protocol='published')",
        "UQS.fit(GAPS, protocol='published')",
        "UQS.fit(METRICS.assign(FA=0.5), DISTANCE, protocol='published')",
        "UQS.fit(RELEASED, protocol='published')",
        "perturb(UQS.fit(RELEASED, protocol='published'), RELEASED, protocol='published', "
        "n_resamples=50, rng=0)",
    ),
    "agreement": (
        "agreement(TABLE, n_resamples=50, rng=1)",
        "agreement(TABLE, estimate='mean', n_resamples=50, rng=1)",
        "agreement(TABLE, estimate='pooled', n_resamples=50, rng=1)",
        "agreement(TABLE, statistic='kendall_c', unit='row', correction='bh', "
        "n_resamples=50, rng=1)",
        "agreement(TABLE, statistic='spearman', confidence=0.8, correction='none', n_resamples=50, "
        "rng=1)",
        "agreement(TABLE, statistic='pearson', estimate='mean', n_resamples=50, rng=1)",
        "agreement(TABLE, statistic='acc_eq', n_resamples=50, rng=1)",
        "agreement(TABLE, statistic='acc_eq_calibrated', n_resamples=50, rng=1)",
        "agreement(TABLE, metrics=['RA', 'AD'], directions={'AD': 'higher'}, "
        "n_resamples=50, rng=1)",
        "agreement(FEW, rng=np.random.default_rng(3))",
        "agreement(FEW, n_resamples=20, rng=1).estimate",
        "agreement(FEW, n_resamples=20, rng=1).reason",
        "agreement(FRAME, metrics=['RA', 'MIA'], directions=DIRECTIONS, block='dataset', "
        "item='method', replicate='seed', n_resamples=50, rng=1)",
        "agreement(METRICS, directions=DIRECTIONS, block=FRAME['dataset'], "
        "item=FRAME['method'].tolist(), replicate=FRAME['seed'].to_numpy(), n_resamples=50, rng=1)",
        "agreement(METRICS, n_resamples=50, rng=1)",
        "agreement(GAPS, n_resamples=50, rng=1)",
        "agreement(GAPS, statistic='spearman', estimate='mean', n_resamples=50, rng=1)",
        "agreement(GAPS, estimate='pooled', n_resamples=50, rng=1)",
        "agreement(GAPS, statistic='acc_eq_calibrated', n_resamples=50, rng=1)",
        "agreement(LEVELS, estimate='pooled', n_resamples=50, rng=1)",
        "agreement(LEVELS, n_resamples=50, rng=1)",
        "agreement(LEVELS.frame[['RA', 'MIA', 'dataset']], estimate='pooled', block='dataset', "
        "n_resamples=50, rng=1)",
        "agreement(APART, n_resamples=50, rng=1)",
        "agreement(APART, statistic='acc_eq_calibrated', metrics=['RA', 'MIA'], n_resamples=50, "
        "rng=1)",
        "agreement(APART, estimate='pooled', n_resamples=50, rng=1)",
        "agreement(EDGES, n_resamples=50, rng=1)",
        "agreement(EDGES, statistic='pearson', n_resamples=50, rng=1)",
        "agreement(METRICS[['FA']], n_resamples=50, rng=1)",
        "agreement(METRICS[:0], n_resamples=50, rng=1)",
        "agreement(METRICS[:1], n_resamples=50, rng=1)",
        "agreement(METRICS[:2], n_resamples=50, rng=1)",
        "agreement(METRICS * 0, n_resamples=50, rng=1)",
        "agreement(TABLE, protocol='published')",
        "agreement(FEW, protocol='published', n_resamples=20, confidence=0.5, rng=0)",
        "agreement(GAPS, protocol='published')",
        "agreement(TABLE, protocol='published', statistic='spearman')",
        "agreement(TABLE, protocol='published', estimate='mean')",
        "agreement(TABLE, protocol='published', unit='row')",
        "agreement(TABLE, protocol='published', correction='bh')",
        "agreement(TABLE, protocol='paper')",
        "agreement(TABLE, statistic='tau')",
        "agreement(TABLE, statistic=None)",
        "agreement(TABLE, estimate='strata')",
        "agreement(TABLE, unit='model')",
        "agreement(TABLE, correction='bonferoni')",
        "agreement(TABLE, confidence=95)",
        "agreement(TABLE, n_resamples=0)",
        "agreement(TABLE, rng='0')",
        "agreement(TABLE, metrics=['FA', 'RB'])",
        "agreement(TABLE, metrics=[])",
        "agreement(TABLE, directions={'FA': 'down'})",
        "agreement(FRAME, block='datasets')",
        "agreement(METRICS, item=[1, 2])",
        "agreement([1, 2])",
    ),
    "clustering": (
        "cluster_metrics(TABLE, n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, n_clusters=1, n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, n_clusters=2, estimate='mean', confidence=0.8, "
        "n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, n_clusters=3, estimate='pooled', n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, n_clusters=4, n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, n_clusters=2, n_resamples=50, rng=1).members(2)",
        "cluster_metrics(TABLE, n_clusters=2, n_resamples=50, rng=1).n_clusters",
        "cluster_metrics(TABLE, n_resamples=50, rng=1).excluded",
        "cluster_metrics(EDGES, n_resamples=50, rng=1).excluded",
        "cluster_metrics(EDGES, n_resamples=50, rng=1).labels",
        "cluster_metrics(EDGES, n_resamples=50, rng=1).support",
        "cluster_metrics(EDGES, n_resamples=50, rng=1).opposition",
        "cluster_metrics(METRICS * 0, n_resamples=50, rng=1).labels",
        "cluster_metrics(METRICS * 0, n_resamples=50, rng=1).support.index.dtype",
        "cluster_metrics(METRICS * 0, n_resamples=50, rng=1).opposition",
        "cluster_metrics(METRICS * 0, n_resamples=50, rng=1).linkage.shape",
        "cluster_metrics(TABLE, metrics=['FA', 'MIA'], n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, statistic='spearman', unit='row', n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, statistic='pearson', n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, statistic='kendall_c', n_resamples=50, rng=1)",
        "cluster_metrics(TABLE, metrics=['RA', 'AD'], directions={'AD': 'higher'}, n_resamples=50, "
        "rng=1)",
        "cluster_metrics(TABLE, metrics=['RA', 'AD'], n_resamples=50, rng=1)",
        "cluster_metrics(FEW, n_clusters=2, rng=np.random.default_rng(3))",
        "cluster_metrics(FRAME, metrics=['RA', 'MIA', 'FA'], directions=DIRECTIONS, "
        "block='dataset', item='method', replicate='seed', n_resamples=50, rng=1)",
        "cluster_metrics(METRICS, directions=DIRECTIONS, block=FRAME['dataset'], "
        "item=FRAME['method'].tolist(), replicate=FRAME['seed'].to_numpy(), n_resamples=50, rng=1)",
        "cluster_metrics(METRICS, n_resamples=50, rng=1)",
        "cluster_metrics(GAPS, n_resamples=50, rng=1)",
        "cluster_metrics(LEVELS, n_clusters=2, n_resamples=50, rng=1)",
        "cluster_metrics(EDGES, n_resamples=50, rng=1)",
        "cluster_metrics(EDGES, statistic='pearson', n_resamples=50, rng=1)",
        "cluster_metrics(EDGES, n_clusters=4, n_resamples=50, rng=1)",
        "cluster_metrics(RELEASED, n_resamples=50, rng=1)",
        "cluster_metrics(UNIMODAL, n_resamples=50, rng=1)",
        "cluster_metrics(METRICS[['FA']], n_resamples=50, rng=1)",
        "cluster_metrics(METRICS[:0], n_resamples=50, rng=1)",
        "cluster_metrics(METRICS[:1], n_resamples=50, rng=1)",
        "cluster_metrics(METRICS[:2], n_resamples=50, rng=1)",
        "cluster_metrics(METRICS * 0, n_resamples=50, rng=1)",
        "cluster_metrics(METRICS * 0, n_clusters=1, n_resamples=50, rng=1)",
        "cluster_metrics(METRICS * 0, n_clusters=2)",
        "cluster_metrics(TABLE, n_clusters=0)",
        "cluster_metrics(TABLE, n_clusters=5)",
        "cluster_metrics(TABLE, n_clusters=2.0)",
        "cluster_metrics(TABLE, n_clusters=True)",
        "cluster_metrics(TABLE, statistic='acc_eq')",
        "cluster_metrics(TABLE, statistic='tau')",
        "cluster_metrics(TABLE, estimate='strata')",
        "cluster_metrics(TABLE, unit='model')",
        "cluster_metrics(TABLE, confidence=1)",
        "cluster_metrics(TABLE, n_resamples=1.5)",
        "cluster_metrics(TABLE, rng=-1)",
        "cluster_metrics(TABLE, metrics=['FA', 'RB'])",
        "cluster_metrics([1, 2])",
    ),
    "comparison": (
        "compare_metrics(TABLE, n_resamples=50, rng=1)",
        "compare_metrics(TABLE, estimate='mean', correction='bh', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, estimate='pooled', alpha=0.2, n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='kendall', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='kendall', estimate='mean', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='kendall', estimate='pooled', unit='row', "
        "n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='kendall_c', correction='none', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='pearson', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, statistic='acc_eq', n_resamples=50, rng=1)",
        "compare_metrics(FEW, statistic='acc_eq_calibrated', n_resamples=20, rng=1)",
        "compare_metrics(TABLE, 'AD', n_resamples=50, rng=1)",
        "compare_metrics(TABLE, metrics=['RA', 'AD'], directions={'AD': 'higher'}, n_resamples=50, "
        "rng=1)",
        "compare_metrics(REPEATS, n_resamples=50, rng=1)",
        "compare_metrics(FEW, rng=np.random.default_rng(3))",
        "compare_metrics(FRAME, 'distance', directions=DIRECTIONS, block='dataset', "
        "item='method', replicate='seed', n_resamples=50, rng=1)",
        "compare_metrics(RELEASED, metrics=['RA', 'MIA'], unit='row', n_resamples=50, rng=1)",
        "compare_metrics(FEW, n_resamples=20, rng=1).rho",
        "compare_metrics(METRICS, DISTANCE, directions=DIRECTIONS, block=FRAME['dataset'], "
        "item=FRAME['method'].tolist(), replicate=FRAME['seed'].to_numpy(), n_resamples=50, rng=1)",
        "compare_metrics(METRICS[['RA', 'AD']], DISTANCE.to_numpy(), n_resamples=50, rng=1)",
        "compare_metrics(GAPS, n_resamples=50, rng=1)",
        "compare_metrics(GAPS, statistic='kendall', estimate='pooled', n_resamples=50, rng=1)",
        "compare_metrics(GAPS, statistic='spearman', estimate='mean', unit='row', n_resamples=50, "
        "rng=1)",
        "compare_metrics(EDGES, DISTANCE, metrics=['FA', 'early', 'late', 'constant', 'empty'], "
        "n_resamples=50, rng=1)",
        "compare_metrics(EDGES, DISTANCE, statistic='pearson', metrics=['AD', 'early', "
        "'infinite'], n_resamples=50, rng=1)",
        "compare_metrics(METRICS[8:].assign(JS=-METRICS['RA']), DISTANCE[8:], "
        "n_resamples=50, rng=1)",
        "compare_metrics(RELEASED, metrics=['FA', 'RA', 'MIA'], n_resamples=50, rng=1)",
        "compare_metrics(METRICS[['FA']], DISTANCE, n_resamples=50, rng=1)",
        "compare_metrics(METRICS[:0], DISTANCE[:0], n_resamples=50, rng=1)",
        "compare_metrics(METRICS[:1], DISTANCE[:1], n_resamples=50, rng=1)",
        "compare_metrics(METRICS[:2], DISTANCE[:2], n_resamples=50, rng=1)",
        "compare_metrics(METRICS[:3], DISTANCE[:3], n_resamples=50, rng=1)",
        "compare_metrics(METRICS * 0, DISTANCE, n_resamples=50, rng=1)",
        "compare_metrics(METRICS, DISTANCE * 0, n_resamples=50, rng=1)",
        "compare_metrics(METRICS)",
        "compare_metrics(METRICS, 'distance')",
        "compare_metrics(TABLE, alpha=0)",
        "compare_metrics(TABLE, alpha=5)",
        "compare_metrics(TABLE, statistic='tau')",
        "compare_metrics(TABLE, estimate='strata')",
        "compare_metrics(TABLE, unit='model')",
        "compare_metrics(TABLE, correction='bonferoni')",
        "compare_metrics(TABLE, n_resamples=0)",
        "compare_metrics(TABLE, rng=1.5)",
        "compare_metrics(TABLE, metrics=['FA', 'RB'])",
        "compare_metrics([1, 2])",
    ),
    "modality": (
        "compare_agreement(TABLE, FEW, n_resamples=50, rng=1)",
        "compare_agreement(TABLE, LEVELS, n_resamples=50, rng=1)",
        "compare_agreement(TABLE, LEVELS, estimate='mean', confidence=0.8, n_resamples=50, rng=1)",
        "compare_agreement(LEVELS, TABLE, estimate='pooled', n_resamples=50, rng=1)",
        "compare_agreement(TABLE, LEVELS, statistic='spearman', n_resamples=50, rng=1)",
        "compare_agreement(TABLE, LEVELS, statistic='kendall_c', n_resamples=50, rng=1)",
        "compare_agreement(TABLE, LEVELS, statistic='acc_eq', n_resamples=50, rng=1)",
        "compare_agreement(FEW, FEW.select(metrics=['RA', 'AD', 'MIA']), "
        "rng=np.random.default_rng(3))",
        "compare_agreement(FRAME[['FA', 'RA', 'dataset', 'method', 'seed']], "
        "FRAME[:8].drop(columns='distance'), directions=DIRECTIONS, block='dataset', "
        "item='method', replicate='seed', n_resamples=50, rng=1)",
        "compare_agreement(METRICS, METRICS[:9], n_resamples=50, rng=1)",
        "compare_agreement(TABLE, GAPS, n_resamples=50, rng=1)",
        "compare_agreement(GAPS.select(metrics=['FA', 'RA', 'AD']), LEVELS, estimate='mean', "
        "n_resamples=50, rng=1)",
        "compare_agreement(METRICS, METRICS.assign(odd=1.0), directions={'odd': 'lower'}, "
        "n_resamples=50, rng=1)",
        "compare_agreement(METRICS, METRICS, directions={'odd': 'lower'})",
        "compare_agreement(TABLE, METRICS, directions={'FA': 'higher'}, n_resamples=50, rng=1)",
        "compare_agreement(TABLE, FEW.select(metrics=['RA', 'AD']), directions={'AD': 'higher'}, "
        "n_resamples=50, rng=1)",
        "compare_agreement(TABLE, MetricTable.from_frame(METRICS, directions={'AD': 'higher'}, "
        "name='other'))",
        "compare_agreement(GAPS, LEVELS, estimate='pooled', n_resamples=50, rng=1)",
        "compare_agreement(EDGES, METRICS, n_resamples=50, rng=1)",
        "compare_agreement(TABLE, APART, n_resamples=50, rng=1)",
        "compare_agreement(RELEASED, UNIMODAL, n_resamples=50, rng=1)",
        "compare_agreement(RELEASED, UNIMODAL, protocol='published')",
        "compare_agreement(TABLE, FEW, protocol='published', confidence=0.5, n_resamples=20)",
        "compare_agreement(METRICS, METRICS * 0, n_resamples=50, rng=1)",
        "compare_agreement(METRICS[:1], METRICS, n_resamples=50, rng=1)",
        "compare_agreement(METRICS[:0], METRICS, n_resamples=50, rng=1)",
        "compare_agreement(METRICS[['FA', 'RA']], METRICS[['AD', 'RA']])",
        "compare_agreement(METRICS[['FA']], METRICS[['AD']])",
        "compare_agreement(TABLE, METRICS, n_resamples=50, rng=1)",
        "compare_agreement(TABLE, GAPS, statistic='spearman')",
        "compare_agreement(TABLE, GAPS, protocol='published')",
        "compare_agreement(TABLE, LEVELS, statistic='pearson')",
        "compare_agreement(TABLE, LEVELS, statistic='tau')",
        "compare_agreement(TABLE, LEVELS, estimate='strata')",
        "compare_agreement(TABLE, LEVELS, protocol='paper')",
        "compare_agreement(TABLE, LEVELS, protocol='published', statistic='spearman')",
        "compare_agreement(TABLE, LEVELS, protocol='published', estimate='mean')",
        "compare_agreement(TABLE, LEVELS, confidence=0)",
        "compare_agreement(TABLE, LEVELS, n_resamples=0)",
        "compare_agreement(TABLE, LEVELS, rng='0')",
        "compare_agreement(TABLE, [1, 2])",
        "compare_agreement(TABLE, [1, 2], directions={'FA': 'lower'})",
        "compare_agreement(TABLE, LEVELS, item='method', n_resamples=50, rng=1)",
    ),
    "ceiling": (
        "reliability(REPEATS, n_resamples=50, rng=1)",
        "reliability(REPEATS, estimate='mean', confidence=0.8, n_resamples=50, rng=1)",
        "reliability(REPEATS, estimate='pooled', n_resamples=50, rng=1)",
        "reliability(REPEATS, statistic='kendall', n_resamples=50, rng=1)",
        "reliability(REPEATS, statistic='kendall_c', n_resamples=50, rng=1)",
        "reliability(REPEATS, statistic='pearson', n_resamples=50, rng=1)",
        "reliability(REPEATS, statistic='acc_eq', n_resamples=50, rng=1)",
        "reliability(REPEATS, protocol='published')",
        "reliability(METRICS, np.column_stack([DISTANCE, DISTANCE, -FRAME['RA']]), "
        "n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, -DISTANCE]), n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, FRAME['FA']]), n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, FRAME['FA'], "
        "DISTANCE.where(DISTANCE > 1)]), n_resamples=50, rng=1)",
        "reliability(REPEATS, statistic='pearson', estimate='mean', n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, -DISTANCE + FRAME['RA']]), "
        "statistic='kendall', n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, DISTANCE * 0]), n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, FRAME['FA'] / (FRAME['FA'] > 0.5)]), "
        "statistic='pearson', n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, DISTANCE.where(DISTANCE > 1)]), "
        "n_resamples=50, rng=1)",
        "reliability(METRICS, np.column_stack([DISTANCE, DISTANCE.where(DISTANCE > 3)]), "
        "n_resamples=50, rng=1)",
        "reliability(METRICS[:1], np.column_stack([DISTANCE, DISTANCE])[:1], "
        "n_resamples=50, rng=1)",
    ),
}
